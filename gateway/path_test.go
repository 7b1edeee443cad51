package gateway

import (
	"bytes"
	"testing"
)

func FuzzPath(f *testing.F) {
	for _, seed := range []string{
		"/v1/eth", "/v1/eth/", "/v1/eth/pokt_live_x", "/v1/eth/pokt_live_x/", "/v1//", "/v1/", "/v1", "/", "", "//v1/eth/k",
		"/v1/eth/k/more", "/v1/../v1/eth/k", "/v1/%65th/k", "/V1/eth/k", "/v1/eth//", "/v2/eth/k",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, path []byte) {
		chain, key, ok := splitPath(path)
		if !ok {
			return
		}
		if len(chain) == 0 || bytes.IndexByte(chain, '/') >= 0 || bytes.IndexByte(key, '/') >= 0 {
			t.Fatalf("%q: chain %q, key %q", path, chain, key)
		}
		again := append(append([]byte("/v1/"), chain...), '/')
		if again = append(again, key...); !bytes.Equal(bytes.TrimSuffix(again, []byte("/")), bytes.TrimSuffix(path, []byte("/"))) {
			t.Fatalf("%q was read as %q", path, again)
		}
	})
}
