package limit_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pokt.ai/gateway/limit"
)

const second = int64(time.Second)

// rates holds those that divide a second, those that do not, and the extremes.
var rates = []struct{ perSecond, burst int64 }{
	{1, 1},
	{1, 1_000_000_000},
	{3, 1},
	{7, 20},
	{100, 100},
	{333, 1000},
	{9_999, 5},
	{1_000_000, 10},
	{7_000_000, 7_000_000},
	{9_999_991, 1_000_000_000},
	{10_000_000, 1_000_000_000},
	{600_000_000, 3},
	{1_000_000_000, 1},
}

// clocks are where time may begin: at the start of the process, or in 1970.
var clocks = []int64{0, 1_800_000_000 * second}

type admitted struct{ at, n int64 }

// excess returns the largest amount by which what was admitted in some span is
// above burst + rate*span, in units. It is zero or less in a limiter that holds.
// Spans are taken to be longer by resolution.
func excess(events []admitted, perSecond, burst, resolution int64) *big.Rat {
	slices.SortStableFunc(events, func(a, b admitted) int { return int(a.at - b.at) })
	worst := big.NewRat(-burst, 1)
	for i := range events {
		sum := int64(0)
		for j := i; j < len(events); j++ {
			sum += events[j].n
			span := events[j].at - events[i].at + resolution
			allowed := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(perSecond), big.NewInt(span)), big.NewInt(second))
			over := new(big.Rat).Sub(big.NewRat(sum-burst, 1), allowed)
			if over.Cmp(worst) > 0 {
				worst = over
			}
		}
	}
	return worst
}

// resolution is that of a rate's ticks in nanoseconds.
func resolution(perSecond int64) int64 {
	if second%perSecond == 0 {
		return 0
	}
	return 2
}

func TestNoSpanAdmitsMoreThanBurstAndRate(t *testing.T) {
	t.Parallel()
	for _, rate := range rates {
		for _, start := range clocks {
			t.Run(fmt.Sprintf("%d_burst_%d_from_%d", rate.perSecond, rate.burst, start), func(t *testing.T) {
				t.Parallel()
				random := rand.New(rand.NewPCG(uint64(rate.perSecond), uint64(start)))
				r := limit.NewRate(rate.perSecond, rate.burst)
				var b limit.Bucket
				var events []admitted
				now := start
				for range 400 {
					n := 1 + random.Int64N(max(rate.burst/8, 2))
					if d := b.Take(now, r, n); d.OK {
						events = append(events, admitted{now, n})
					}
					// On average somewhat less time than what was asked for needs.
					step := 2 + int64(1.6*float64(n)*float64(second)/float64(rate.perSecond))
					now += random.Int64N(min(step, 20_000_000*second)) // int64 ends in 292 years
				}
				if over := excess(events, rate.perSecond, rate.burst, resolution(rate.perSecond)); over.Sign() > 0 {
					t.Errorf("%s units too many were admitted in a span", over.FloatString(12))
				}
				if len(events) < 50 {
					t.Errorf("only %d of 400 were admitted: the test shows nothing", len(events))
				}
			})
		}
	}
}

func TestNoSpanAdmitsMoreUnderConcurrentTakesWithClocksApart(t *testing.T) {
	t.Parallel()
	const perSecond, burst = 7_000, 50
	r := limit.NewRate(perSecond, burst)
	var (
		b     limit.Bucket
		clock atomic.Int64
		wg    sync.WaitGroup
		all   = make([][]admitted, 4)
	)
	for i := range all {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for range 1000 {
				now := clock.Add(random.Int64N(40_000)) + random.Int64N(500_000)
				if n := 1 + random.Int64N(4); b.Take(now, r, n).OK {
					all[i] = append(all[i], admitted{now, n})
				}
			}
		})
	}
	wg.Wait()
	events := slices.Concat(all...)
	if over := excess(events, perSecond, burst, resolution(perSecond)); over.Sign() > 0 {
		t.Errorf("%s units too many were admitted in a span", over.FloatString(12))
	}
	if len(events) < 100 {
		t.Errorf("only %d were admitted: the test shows nothing", len(events))
	}
}

func TestSteadyClientIsNeverRefused(t *testing.T) {
	t.Parallel()
	for _, rate := range rates {
		for _, start := range clocks {
			t.Run(fmt.Sprintf("%d_from_%d", rate.perSecond, start), func(t *testing.T) {
				t.Parallel()
				// One call whenever the exact time of the next unit has come, which
				// is not a whole nanosecond: two such times may lie closer together
				// than the interval, hence the burst of two.
				r := limit.NewRate(rate.perSecond, 2)
				var b limit.Bucket
				for i := range int64(200_000) {
					whole, part := i/rate.perSecond, i%rate.perSecond
					now := start + whole*second + (part*second+rate.perSecond-1)/rate.perSecond
					if d := b.Take(now, r, 1); !d.OK {
						t.Fatalf("call %d refused: %+v", i, d)
					}
				}
			})
		}
	}
}

func TestWaitingForRetryAfterIsEnoughAndNeeded(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	refused := 0
	for range 20_000 {
		rate := rates[random.IntN(len(rates))]
		r := limit.NewRate(rate.perSecond, rate.burst)
		now := clocks[random.IntN(len(clocks))] + random.Int64N(second)
		var b limit.Bucket
		b.Take(now, r, 1+random.Int64N(rate.burst))
		n := 1 + random.Int64N(rate.burst)
		d := b.Take(now, r, n)
		if d.OK {
			continue
		}
		refused++
		if d.RetryAfter <= 0 {
			t.Fatalf("%+v: refused with nothing to wait for: %+v", rate, d)
		}
		if early := b.Take(now+int64(d.RetryAfter)-1, r, n); early.OK {
			t.Fatalf("%+v: %d units admitted before RetryAfter %v", rate, n, d.RetryAfter)
		}
		if late := b.Take(now+int64(d.RetryAfter), r, n); !late.OK {
			t.Fatalf("%+v: %d units refused after RetryAfter %v: %+v", rate, n, d.RetryAfter, late)
		}
	}
	if refused < 1000 {
		t.Errorf("only %d were refused: the test shows nothing", refused)
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	r := limit.NewRate(10, 20) // a unit every 100 ms
	type step struct {
		at   time.Duration
		n    int64
		want limit.Decision
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"a new bucket is full", []step{
			{0, 0, limit.Decision{OK: true, Remaining: 20}},
		}},
		{"a burst at once, then one unit an interval", []step{
			{0, 20, limit.Decision{OK: true, Remaining: 0, Reset: 2 * time.Second}},
			{0, 1, limit.Decision{Remaining: 0, Reset: 2 * time.Second, RetryAfter: 100 * time.Millisecond}},
			{100 * time.Millisecond, 1, limit.Decision{OK: true, Remaining: 0, Reset: 2 * time.Second}},
		}},
		{"asking takes nothing and is never refused", []step{
			{0, 20, limit.Decision{OK: true, Reset: 2 * time.Second}},
			{0, 0, limit.Decision{OK: true, Reset: 2 * time.Second}},
			{time.Second, 0, limit.Decision{OK: true, Remaining: 10, Reset: time.Second}},
		}},
		{"a refusal takes nothing", []step{
			{0, 15, limit.Decision{OK: true, Remaining: 5, Reset: 1500 * time.Millisecond}},
			{0, 6, limit.Decision{Remaining: 5, Reset: 1500 * time.Millisecond, RetryAfter: 100 * time.Millisecond}},
			{0, 5, limit.Decision{OK: true, Reset: 2 * time.Second}},
		}},
		{"more than the burst can never pass", []step{
			{0, 21, limit.Decision{Never: true, Remaining: 20}},
			{time.Hour, math.MaxInt64, limit.Decision{Never: true, Remaining: 20}},
		}},
		{"a full bucket holds no more than the burst", []step{
			{0, 20, limit.Decision{OK: true, Reset: 2 * time.Second}},
			{time.Hour, 0, limit.Decision{OK: true, Remaining: 20}},
		}},
		{"a clock an hour back neither refills nor locks out", []step{
			{time.Hour, 1, limit.Decision{OK: true, Remaining: 19, Reset: 100 * time.Millisecond}},
			{0, 1, limit.Decision{Reset: 2 * time.Second, RetryAfter: 100 * time.Millisecond}},
			{100 * time.Millisecond, 1, limit.Decision{OK: true, Reset: 2 * time.Second}},
		}},
		{"an older clock reading of a concurrent request refills nothing", []step{
			{10 * time.Second, 20, limit.Decision{OK: true, Reset: 2 * time.Second}},
			{5 * time.Second, 1, limit.Decision{Reset: 7 * time.Second, RetryAfter: 5100 * time.Millisecond}},
			{10 * time.Second, 1, limit.Decision{Reset: 2 * time.Second, RetryAfter: 100 * time.Millisecond}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var b limit.Bucket
			for i, s := range test.steps {
				if diff := cmp.Diff(s.want, b.Take(int64(s.at), r, s.n)); diff != "" {
					t.Fatalf("step %d, %d units at %v (-want +got):\n%s", i, s.n, s.at, diff)
				}
			}
		})
	}
}

func TestZeroRateIsNoLimit(t *testing.T) {
	t.Parallel()
	var b limit.Bucket
	r := limit.NewRate(0, 5)
	if !r.Unlimited() {
		t.Error("a rate of zero is a limit")
	}
	if d := b.Take(0, r, math.MaxInt64); !d.OK || d.Remaining != math.MaxInt64 {
		t.Errorf("refused: %+v", d)
	}
}

func TestBurstOfZeroIsOneSecond(t *testing.T) {
	t.Parallel()
	var b limit.Bucket
	r := limit.NewRate(50, 0)
	if d := b.Take(0, r, 50); !d.OK || d.Remaining != 0 {
		t.Errorf("got %+v", d)
	}
}

func TestHugeSettingsAreCutNotOverflown(t *testing.T) {
	t.Parallel()
	for _, start := range clocks {
		for _, perSecond := range []int64{1, 3, math.MaxInt64} {
			r := limit.NewRate(perSecond, math.MaxInt64)
			var b limit.Bucket
			left := b.Take(start, r, 0).Remaining
			if left < 1_000_000_000 {
				t.Errorf("%d a second: a burst of %d", perSecond, left)
			}
			if d := b.Take(start, r, left); !d.OK || d.Remaining != 0 || d.Reset <= 0 {
				t.Errorf("%d a second: %+v", perSecond, d)
			}
			if d := b.Take(start, r, 1); d.OK || d.RetryAfter <= 0 {
				t.Errorf("%d a second, second burst: %+v", perSecond, d)
			}
		}
	}
}

func TestPutGivesBack(t *testing.T) {
	t.Parallel()
	for _, rate := range rates {
		r := limit.NewRate(rate.perSecond, rate.burst)
		var b limit.Bucket
		now := 5 * second
		b.Take(now, r, rate.burst)
		b.Put(now, r, 1)
		if d := b.Take(now, r, 1); !d.OK || d.Remaining != 0 {
			t.Errorf("%+v: what was given back cannot be taken: %+v", rate, d)
		}
		b.Put(now, r, math.MaxInt64)
		if d := b.Take(now, r, 0); d.Remaining != rate.burst {
			t.Errorf("%+v: %d left of a bucket that was given more than its burst", rate, d.Remaining)
		}
	}
}

func TestRateMayChange(t *testing.T) {
	t.Parallel()
	var b limit.Bucket
	now := 3 * second
	b.Take(now, limit.NewRate(10, 20), 10) // full again in 1 s
	if d := b.Take(now, limit.NewRate(7_000, 14_000), 0); d.Remaining != 7_000 {
		t.Errorf("after an upgrade %d are left, want the half that a second does not refill", d.Remaining)
	}
	b.Take(now, limit.NewRate(1, 1_000_000), 1_000_000)
	small := limit.NewRate(10, 10)
	if d := b.Take(now, small, 1); d.OK || d.RetryAfter != 100*time.Millisecond {
		t.Errorf("after the burst was cut: %+v, want an empty bucket", d)
	}
}

func TestTakeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	var b limit.Bucket
	r, now := limit.NewRate(7_000_000, 10), int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += 20
		b.Take(now, r, 1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTake(b *testing.B) {
	for _, bench := range []struct {
		name             string
		perSecond, burst int64
		step             int64
	}{
		{"even", 10_000_000, 1_000_000, 100},
		{"uneven", 7_000_000, 1_000_000, 143},
		{"refused", 10_000, 1, 0},
		{"refused_uneven", 7_000, 1, 0},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			var bucket limit.Bucket
			r, now := limit.NewRate(bench.perSecond, bench.burst), 1_800_000_000*second
			for b.Loop() {
				now += bench.step
				bucket.Take(now, r, 1)
			}
		})
	}
}
