//go:build race

package limit_test

// The race detector allocates on its own account.
const raceEnabled = true
