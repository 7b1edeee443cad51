package rating

import (
	"fmt"
	"time"
)

// A Difference is one place where two counts of the same calls are not the same.
type Difference struct {
	Where string // what was compared: a segment, an hour, a ledger row
	What  string // both counts, and what they mean
}

func (d Difference) String() string { return d.Where + ": " + d.What }

// maxDifferences bounds what is named one by one. Whoever sees so many has
// something to do before the next one is of use.
const maxDifferences = 1000

// Differences are those that were found.
type Differences struct {
	List    []Difference
	Omitted int // found beyond those in the List
}

// None reports whether there are none: everything is equal.
func (d *Differences) None() bool { return len(d.List) == 0 }

func (d *Differences) add(where, format string, args ...any) {
	if len(d.List) >= maxDifferences {
		d.Omitted++
		return
	}
	d.List = append(d.List, Difference{Where: where, What: fmt.Sprintf(format, args...)})
}

func hourName(t time.Time) string { return "hour " + t.UTC().Format("2006-01-02T15Z") }

func (q quantity) String() string { return fmt.Sprintf("%d calls, %d CU", q.calls, q.cu) }
