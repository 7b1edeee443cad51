//go:build !race

package devchain_test

const raceEnabled = false
