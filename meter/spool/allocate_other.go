//go:build unix && !linux

package spool

import "os"

func allocate(file *os.File, size int64) error { return writeZeros(file, size) }

func populate([]byte) error { return nil }
