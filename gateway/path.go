package gateway

import "bytes"

// splitPath takes "/v1/{chain}" or "/v1/{chain}/{key}" apart, with or without a
// final slash. key is empty in the first form. The path is raw: names of chains
// and keys need no escapes, so one with escapes names nothing.
func splitPath(path []byte) (chain, key []byte, ok bool) {
	rest, ok := bytes.CutPrefix(path, []byte("/v1/"))
	if !ok {
		return nil, nil, false
	}
	rest = bytes.TrimSuffix(rest, []byte("/"))
	chain, key, hasKey := bytes.Cut(rest, []byte("/"))
	if len(chain) == 0 || hasKey && len(key) == 0 || bytes.IndexByte(key, '/') >= 0 {
		return nil, nil, false
	}
	return chain, key, true
}
