package account

import "errors"

// Kinds of failure that callers branch on.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict") // with what is there already
)
