//go:build unix && !linux

package spool

import "os"

// A syncer writes files to the disk.
type syncer struct{}

func newSyncer() *syncer { return &syncer{} }

func (s *syncer) sync(f *os.File) error { return f.Sync() }

func (s *syncer) close() {}
