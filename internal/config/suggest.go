package config

import (
	"slices"
	"strings"
)

func suggestKey(key string, known []string) string {
	if near, ok := nearest(key, known); ok {
		return `did you mean "` + near + `"?`
	}
	slices.Sort(known)
	return "known here: " + strings.Join(known, ", ")
}

func suggestVariable(name string, known []string) string {
	if near, ok := nearest(name, known); ok {
		return "did you mean " + near + "?"
	}
	return "variables are named by key path, POKTAI_A_B for a.b"
}

// nearest returns the candidate that takes the fewest edits to reach, if it is
// likely to be meant: one edit for every four characters, and one.
func nearest(word string, candidates []string) (string, bool) {
	best, bestEdits := "", 2+len(word)/4
	for _, c := range candidates {
		if n := edits(word, c); n < bestEdits {
			best, bestEdits = c, n
		}
	}
	return best, best != ""
}

// edits is the least number of bytes inserted, removed, replaced or swapped with
// their neighbour that makes b of a (optimal string alignment).
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			n := min(replaced, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				n = min(n, rows[i-2][j-2]+1)
			}
			rows[i][j] = n
		}
	}
	return rows[len(a)][len(b)]
}
