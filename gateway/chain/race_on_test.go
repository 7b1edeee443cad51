//go:build race

package chain_test

// The race detector allocates.
const raceEnabled = true
