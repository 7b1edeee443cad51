//go:build race

package keys_test

// The race detector allocates on its own account.
const raceEnabled = true
