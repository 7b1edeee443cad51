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

// edits is the Levenshtein distance of a and b in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
