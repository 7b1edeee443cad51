// Package configs holds the annotated example configuration and the data that
// is versioned with the code, as they stand in this folder. It does not read
// them: internal/config does.
package configs

import _ "embed"

//go:embed compute-units.yaml
var computeUnits string

//go:embed up.yaml
var up string

// ComputeUnits returns compute-units.yaml, the price of every method.
func ComputeUnits() []byte { return []byte(computeUnits) }

// Up returns up.yaml, the configuration of `poktai up`: every setting at its
// default, and public chains.
func Up() []byte { return []byte(up) }
