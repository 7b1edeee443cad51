package devchain

import (
	"bytes"
	"slices"
)

// emptyRoot is the root of a trie with nothing in it.
var emptyRoot = keccak([]byte{0x80})

// listRoot is the root of the Merkle-Patricia trie of items under their
// RLP-encoded indices: a block's transactionsRoot and receiptsRoot.
func listRoot(items [][]byte) hash {
	if len(items) == 0 {
		return emptyRoot
	}
	leaves := make([]trieLeaf, len(items))
	for i, item := range items {
		leaves[i] = trieLeaf{path: nibbles(appendRLPUint(nil, uint64(i))), value: item}
	}
	slices.SortFunc(leaves, func(a, b trieLeaf) int { return bytes.Compare(a.path, b.path) })
	return keccak(trieNode(leaves))
}

type trieLeaf struct {
	path  []byte // nibbles from the node down
	value []byte
}

// trieNode encodes the node over sorted leaves. RLP of integers is free of
// prefixes, so no path ends at a branch.
func trieNode(leaves []trieLeaf) []byte {
	first, last := leaves[0], leaves[len(leaves)-1]
	if len(leaves) == 1 {
		item := appendRLPBytes(nil, compactPath(first.path, true))
		return appendRLPList(nil, appendRLPBytes(item, first.value))
	}
	if shared := sharedPrefix(first.path, last.path); shared > 0 {
		item := appendRLPBytes(nil, compactPath(first.path[:shared], false))
		return appendRLPList(nil, appendTrieChild(item, leaves, shared))
	}
	var branch []byte
	for nibble := range byte(16) {
		n := 0
		for n < len(leaves) && leaves[n].path[0] == nibble {
			n++
		}
		if n == 0 {
			branch = append(branch, 0x80)
			continue
		}
		branch = appendTrieChild(branch, leaves[:n], 1)
		leaves = leaves[n:]
	}
	return appendRLPList(nil, append(branch, 0x80))
}

// appendTrieChild appends the reference to the node over leaves without the
// first skip nibbles: the node itself if it is shorter than its hash.
func appendTrieChild(dst []byte, leaves []trieLeaf, skip int) []byte {
	below := make([]trieLeaf, len(leaves))
	for i, l := range leaves {
		below[i] = trieLeaf{path: l.path[skip:], value: l.value}
	}
	node := trieNode(below)
	if len(node) < len(hash{}) {
		return append(dst, node...)
	}
	h := keccak(node)
	return appendRLPBytes(dst, h[:])
}

func nibbles(b []byte) []byte {
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, c>>4, c&15)
	}
	return out
}

func sharedPrefix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// compactPath is the hex-prefix encoding of appendix C of the Yellow Paper.
func compactPath(path []byte, leaf bool) []byte {
	var flags byte
	if leaf {
		flags = 2
	}
	odd := len(path)%2 == 1
	if odd {
		flags++
	}
	out := []byte{flags << 4}
	if odd {
		out[0] |= path[0]
		path = path[1:]
	}
	for i := 0; i < len(path); i += 2 {
		out = append(out, path[i]<<4|path[i+1])
	}
	return out
}
