package account

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// Micros is an amount of money in millionths of a US dollar.
type Micros int64

// String returns the amount in dollars with six decimals, such as "-0.000001".
func (m Micros) String() string {
	sign, abs := "", uint64(m)
	if m < 0 {
		sign, abs = "-", -abs
	}
	return fmt.Sprintf("%s%d.%06d", sign, abs/million, abs%million)
}

// million is both the micros of a dollar and the compute units that a price is
// for.
const million = 1_000_000

// ErrOverflow means that an amount is beyond nine trillion dollars.
var ErrOverflow = errors.New("amount is too large")

// A wide is a sum of products of two int64, none of them negative. It does not
// overflow below 2^64 products.
type wide struct{ hi, lo uint64 }

func (w *wide) add(a, b int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, lo, 0)
	w.hi, _ = bits.Add64(w.hi, hi, carry)
}

// over returns the sum divided by d, rounded half up. It is the only place where
// money is rounded.
func (w wide) over(d int64) (Micros, error) {
	w.add(d/2, 1) // d is even: half of it is exact
	if w.hi >= uint64(d) {
		return 0, ErrOverflow
	}
	q, _ := bits.Div64(w.hi, w.lo, uint64(d))
	if int64(q) < 0 {
		return 0, ErrOverflow
	}
	return Micros(q), nil
}

// MonthOf returns the beginning of the calendar month (UTC) that t is in: the
// period of quotas, prices and caps.
func MonthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// HourOf returns the beginning of the hour (UTC) that t is in, which is what
// usage is rated by.
func HourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }
