//go:build !race

package allow_test

const raceEnabled = false
