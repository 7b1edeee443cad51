//go:build race

package forward_test

// The race detector allocates.
const raceEnabled = true
