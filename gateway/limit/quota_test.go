package limit_test

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pokt.ai/gateway/limit"
)

var (
	october  = time.Date(2025, time.October, 31, 23, 59, 59, 999_999_999, time.UTC)
	november = time.Date(2025, time.November, 1, 0, 0, 0, 0, time.UTC)
)

func TestQuotaCountsToTheUnit(t *testing.T) {
	t.Parallel()
	const quota = 10_000
	var (
		q   limit.Quota
		got atomic.Int64
		wg  sync.WaitGroup
	)
	for range 4 {
		wg.Go(func() {
			for range quota {
				if ok, _ := q.Take(october, quota, 3); ok {
					got.Add(3)
				}
			}
		})
	}
	wg.Wait()
	if got.Load() != 9_999 {
		t.Errorf("%d units of %d were admitted by threes", got.Load(), quota)
	}
	if ok, left := q.Take(october, quota, 1); !ok || left != 0 {
		t.Errorf("the last unit: %v, %d left", ok, left)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	type step struct {
		at       time.Time
		limit, n int64 // an n below zero is given back
		wantOK   bool
		wantLeft int64
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"a new month begins at zero", []step{
			{october, 100, 100, true, 0},
			{october, 100, 1, false, 0},
			{november, 100, 1, true, 99},
		}},
		{"a month ends in UTC, wherever the clock is", []step{
			{november.In(time.FixedZone("", -5*3600)), 100, 60, true, 40},
			{november, 100, 1, true, 39},
		}},
		{"what comes late counts in the new month", []step{
			{november, 100, 60, true, 40},
			{october, 100, 60, false, 40},
			{october, 100, 40, true, 0},
		}},
		{"a plan may change in the month", []step{
			{october, 0, 150, true, math.MaxInt64},
			{october, 100, 1, false, 0},
			{october, 200, 1, true, 49},
		}},
		{"a call that costs nothing is never refused", []step{
			{october, 100, 100, true, 0},
			{october, 100, 0, true, 0},
			{october, 50, 0, true, 0},
		}},
		{"what is given back can be used", []step{
			{october, 100, 100, true, 0},
			{october, 0, -30, true, 0},
			{october, 100, 30, true, 0},
		}},
		{"nothing is given back to another month", []step{
			{october, 100, 100, true, 0},
			{november, 100, 50, true, 50},
			{october, 0, -30, true, 0},
			{november, 100, 0, true, 50},
		}},
		{"it is not given back twice", []step{
			{october, 100, 10, true, 90},
			{october, 0, -30, true, 0},
			{october, 100, 0, true, 100},
		}},
		{"it does not overflow", []step{
			{october, 0, math.MaxInt64, true, math.MaxInt64},
			{october, 0, math.MaxInt64, true, math.MaxInt64},
			{october, 100, 1, false, 0},
			{november, 100, 1, true, 99},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var q limit.Quota
			for i, s := range test.steps {
				if s.n < 0 {
					q.Give(s.at, -s.n)
					continue
				}
				if ok, left := q.Take(s.at, s.limit, s.n); ok != s.wantOK || left != s.wantLeft {
					t.Fatalf("step %d: got %v, %d left, want %v, %d", i, ok, left, s.wantOK, s.wantLeft)
				}
			}
		})
	}
}

func TestRegistryAsksOnceWhatWasUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			r     limit.Registry
			calls atomic.Int64
			wg    sync.WaitGroup
		)
		for range 50 {
			wg.Go(func() {
				q, err := r.Quota(9, november, func(month time.Time) (int64, error) {
					calls.Add(1)
					if !month.Equal(november) {
						t.Errorf("asked for the month from %v", month)
					}
					<-time.After(time.Second)
					return 70, nil
				})
				if err != nil {
					t.Error(err)
					return
				}
				q.Take(november, 0, 1)
			})
		}
		wg.Wait()
		if calls.Load() != 1 {
			t.Errorf("the store was asked %d times", calls.Load())
		}
		q, err := r.Quota(9, november, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ok, left := q.Take(november, 121, 1); !ok || left != 0 {
			t.Errorf("%d left of 121 with 70 from the store, 50 of all and this one", left)
		}
	})
}

func TestRegistryForgetsAFailure(t *testing.T) {
	t.Parallel()
	var r limit.Registry
	down := errors.New("store is down")
	if _, err := r.Quota(9, november, func(time.Time) (int64, error) { return 0, down }); !errors.Is(err, down) {
		t.Fatalf("got %v", err)
	}
	q, err := r.Quota(9, november, func(time.Time) (int64, error) { return 5, nil })
	if err != nil {
		t.Fatal(err)
	}
	if ok, left := q.Take(november, 10, 5); !ok || left != 0 {
		t.Errorf("got %v, %d left", ok, left)
	}
}

func BenchmarkQuota(b *testing.B) {
	b.ReportAllocs()
	var q limit.Quota
	for b.Loop() {
		q.Take(november, math.MaxInt64, 1)
	}
}
