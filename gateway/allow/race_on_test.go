//go:build race

package allow_test

// The race detector allocates on its own account.
const raceEnabled = true
