//go:build race

package jsonrpc_test

// The race detector allocates on its own account.
const raceEnabled = true
