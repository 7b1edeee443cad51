// Package keys answers which key a token is, from memory. A Cache checks the
// token's checksum, hashes it, and finds what was made of its key when it was
// read; a Source, the store, is read when the key is not in memory, when it has
// changed, or when it is due.
//
// What it says holds against the cache underneath (ristretto), which applies what
// it is given late or not at all: every entry is stamped with the generations
// under which it was read, and a change makes the stamp invalid, wherever a copy
// of the entry turns up later.
//
// It is not its job to know SQL or the change feed, what a key may be used for,
// or how much: the caller's build makes of a key whatever the caller needs. Tokens
// are put into no error, and kept nowhere but in the memory of the process.
package keys
