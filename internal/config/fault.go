package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A Fault is one thing that is wrong with a configuration, and what would be
// right. It holds no secret.
type Fault struct {
	File         string // the variable's name if it is from the environment; empty if it is a default
	Line, Column int    // from 1; 0 if it is not at a place of the file
	Key          string // full key path, such as "chains.ethereum.upstreams[0].url"
	Message      string
}

func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			b.WriteString(":" + strconv.Itoa(f.Line) + ":" + strconv.Itoa(f.Column))
		}
		b.WriteString(": ")
	}
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Faults is every fault of a configuration, by file, line and column.
type Faults []Fault

// Error lists the faults one a line: "file:line:column: key: message".
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// sort orders the faults and drops what was said twice, as by a struct that
// validates its children although they are asked themselves.
func (fs *Faults) sort() {
	slices.SortFunc(*fs, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Key, b.Key),
			cmp.Compare(a.Message, b.Message),
		)
	})
	*fs = slices.Compact(*fs)
}
