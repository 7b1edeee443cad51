package devchain

import (
	"bytes"
	"encoding/hex"
	"testing"
)

// ListRoot lets the external tests give items encoded by go-ethereum to this
// package's trie, which TestListRoot holds against go-ethereum's.
func ListRoot(items [][]byte) [32]byte { return listRoot(items) }

// The roots are those of go-ethereum's StackTrie, whose package would bring a
// dozen modules with it. Short items are embedded in their nodes, and past 127
// keys have two bytes.
func TestListRoot(t *testing.T) {
	for _, want := range []struct {
		items, size int
		root        string
	}{
		{0, 1, "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"},
		{0, 200, "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"},
		{1, 1, "ac92bc8d02906a87a573c32c72bb427036f0e43d7a7375c5c491ebba064add15"},
		{1, 200, "af651c8ef84ca72694b53716b2195e9c2ffa3dd17e2b24031d06f636ea9a73dd"},
		{2, 1, "08693bf7194a9e5481f518cc27be677512d038ddfb72263e13f0663e299ce2d8"},
		{2, 200, "8ab23a45123215eb8327c9903f8fae842185d5ab3dc1b986c550c773f3d8355b"},
		{16, 1, "46031e66d23a0c21d8a05875f782f1960085ac368e401fb9946565ece929b262"},
		{16, 200, "8998e948f493fd0c03395b3bb3f1783b7b90da1e122f06d6211aec27e1e13a72"},
		{17, 1, "a87383e5770cdf013b6e22804b06ef4598148f60ce269820130310470c20a0be"},
		{17, 200, "9aa4fc1df9c8c23cb27faff6d94b7a1a9c936963d5852d9e3a554f91a907594a"},
		{127, 1, "19f04690e34240656ac4e46fb05891a3a0ac81e1925bf48fb872f5d481be0ae9"},
		{127, 200, "9e6d8502405fa3b1c789cd0a27e4ccf3ccffabcaf119ed20cda5cc1eb7a104d7"},
		{128, 1, "f86b2ea03840bb50924fd06d47a3c6b1ad69bbc592c88ec4f988a5940223e677"},
		{128, 200, "eb93da50e6fb45cf6b8d986e52c2bb271654e75f4ca17e49262539f823f0b36c"},
		{129, 1, "0fa21c70b7b79d5586ecbfcdf89aa5bb4c5d89f3c6ce6472ada730c8fa2119b6"},
		{129, 200, "ad99cd73c1dcd191d41ebe9ec3b635b83f605e52ae1d35d91c3b1e9ea90a679f"},
		{300, 1, "93be1133b372a81d1ca12ec2c0ac4c631d1f65b3f0c26b765d6445777b8f62a2"},
		{300, 200, "ed6b9b73869d1121c5e69dea6d2464a6604ff69ccdd45ba5a78695b71172c58d"},
	} {
		var items [][]byte
		for i := range want.items {
			items = append(items, bytes.Repeat([]byte{byte(i + 1)}, want.size))
		}
		root := listRoot(items)
		if got := hex.EncodeToString(root[:]); got != want.root {
			t.Errorf("%d items of %d bytes: %s, want %s", want.items, want.size, got, want.root)
		}
	}
}
