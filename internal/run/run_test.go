package run_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"pokt.ai/internal/run"
)

func TestPartsStopInReverseOrder(t *testing.T) {
	var stopped []string
	note := func(name string) func(context.Context) error {
		return func(context.Context) error { stopped = append(stopped, name); return nil }
	}
	g := run.New(zerolog.Nop())
	g.Started("store", note("store"))
	g.Go(t.Context(), "shipper", func(ctx context.Context) error {
		<-ctx.Done()
		stopped = append(stopped, "shipper")
		return nil
	})
	g.Started("gateway", note("gateway"))

	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := g.Wait(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"gateway", "shipper", "store"}, stopped); diff != "" {
		t.Errorf("order of stopping (-want +got):\n%s", diff)
	}
}

func TestFailureOfOnePartStopsTheOthers(t *testing.T) {
	g := run.New(zerolog.Nop())
	stopped := false
	g.Started("store", func(context.Context) error { stopped = true; return nil })
	g.Go(t.Context(), "feed", func(context.Context) error { return errors.New("no route") })
	err := g.Wait(t.Context(), time.Minute)
	if err == nil || !strings.Contains(err.Error(), "feed: no route") {
		t.Errorf("Wait = %v, want the failure of feed", err)
	}
	if !stopped {
		t.Error("the store was not stopped")
	}
}

func TestPartThatDoesNotStopIsNamed(t *testing.T) {
	g := run.New(zerolog.Nop())
	release := make(chan struct{})
	defer close(release)
	g.Go(t.Context(), "stuck", func(context.Context) error { <-release; return nil })
	err := g.Stop(t.Context(), time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop stuck") {
		t.Errorf("Stop = %v, want the deadline and the name of the part", err)
	}
}
