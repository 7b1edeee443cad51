package meter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/meter/spool"
)

// A Registry knows every gateway that meters calls. Of the epochs it is given
// the first is the running one; the others are older ones that the spool had
// segments of at the start.
type Registry interface {
	// ClaimGateway begins g.Epoch. It returns account.ErrConflict if another
	// spool holds the id.
	ClaimGateway(ctx context.Context, g account.Gateway, epochs []account.Epoch) error
	// BeatGateway keeps what g reports. It returns account.ErrConflict if g does
	// not hold the id any more.
	BeatGateway(ctx context.Context, g account.Gateway, epochs []account.Epoch) error
}

const (
	beatEvery   = 5 * time.Second
	beatTimeout = 10 * time.Second
)

// A Heartbeat reports how far the events of a gateway have come: how many it
// accepted and sealed, and its watermark, the time before which all that it
// recorded is stored. Hours are closed behind the watermarks of all gateways.
type Heartbeat struct {
	spool    *spool.Spool
	recorder *Recorder
	registry Registry
	slack    time.Duration
	log      zerolog.Logger
	host     string

	watermark *metrics.Gauge
	failures  *metrics.Counter
}

// NewHeartbeat returns a Heartbeat of what recorder and sp have. No event may be
// recorded later than slack after the time that stands in it, or it may come too
// late for its hour.
func NewHeartbeat(sp *spool.Spool, recorder *Recorder, registry Registry, slack time.Duration, log zerolog.Logger, set *metrics.Set) *Heartbeat {
	host, err := os.Hostname()
	if err != nil {
		log.Warn().Err(err).Msg("meter: the gateway's claim will name no host")
	}
	return &Heartbeat{
		spool:     sp,
		recorder:  recorder,
		registry:  registry,
		slack:     slack,
		log:       log,
		host:      host,
		watermark: set.NewGauge("poktai_meter_watermark_seconds", nil),
		failures:  set.NewCounter("poktai_meter_heartbeat_errors_total"),
	}
}

// Claim takes the gateway's id. Call it before anything is shipped: of two
// gateways with one id the second one's error is account.ErrConflict.
func (h *Heartbeat) Claim(ctx context.Context) error {
	g, epochs := h.report()
	g.ClaimedAt = g.BeatAt
	for i := range epochs {
		epochs[i].StartedAt = g.BeatAt
		if i > 0 {
			epochs[i].Ended = account.Killed
		}
	}
	if err := h.registry.ClaimGateway(ctx, g, epochs); err != nil {
		return fmt.Errorf("claim the gateway's id: %w", err)
	}
	return nil
}

// Run reports every few seconds until ctx ends, and then returns nil. It returns
// an error if another spool has taken the gateway's id: this process must stop.
// While the registry cannot be reached, hours stay open and calls are served.
func (h *Heartbeat) Run(ctx context.Context) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for failing := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := h.Beat(ctx)
		switch {
		case err == nil:
			failing = false
		case errors.Is(err, account.ErrConflict):
			return fmt.Errorf("report as gateway %q: %w", h.spool.Gateway(), err)
		case ctx.Err() == nil:
			h.failures.Inc()
			if !failing {
				h.log.Error().Err(err).Msg("meter: report to the registry, trying again; no hour is closed until then")
			}
			failing = true
		}
	}
}

// Beat reports now, as Run does every few seconds.
func (h *Heartbeat) Beat(ctx context.Context) error { return h.beat(ctx, account.Running) }

// Release reports the last counts of this epoch. Call it when all is sealed and
// shipped and nothing is recorded any more. If nothing is left in the spool, no
// hour waits for this gateway any more and any spool may take its id.
func (h *Heartbeat) Release(ctx context.Context) error {
	if err := h.beat(ctx, account.Clean); err != nil {
		return fmt.Errorf("release the gateway's id: %w", err)
	}
	return nil
}

func (h *Heartbeat) beat(ctx context.Context, ended account.EpochEnd) error {
	g, epochs := h.report()
	epochs[0].Ended = ended
	if ended == account.Clean {
		epochs[0].FinalSeq = epochs[0].SealedSeq
		if !pending(epochs) {
			g.RetiredAt = g.BeatAt
		}
	}
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	if err := h.registry.BeatGateway(ctx, g, epochs); err != nil {
		return err
	}
	h.watermark.Set(float64(g.Watermark.UnixMicro()) / 1e6)
	return nil
}

func pending(epochs []account.Epoch) bool {
	for _, e := range epochs {
		if e.AckedSeq < max(e.SealedSeq, e.FinalSeq) {
			return true
		}
	}
	return false
}

// report reads the clock before the spool: what is appended in between, and
// belongs to neither, was recorded after that time. And it reads what comes later
// in the life of a call first, so that none is sealed or dropped that was not
// accepted.
func (h *Heartbeat) report() (account.Gateway, []account.Epoch) {
	now := time.Now()
	p, dropped := h.spool.Progress(), h.spool.Dropped()
	events, cu := h.recorder.Accepted()
	g := account.Gateway{
		ID: h.spool.Gateway(), Spool: h.spool.ID(), Host: h.host, Epoch: h.spool.Epoch(),
		BeatAt: now, Watermark: watermark(now, &p, h.slack),
	}
	epochs := make([]account.Epoch, 0, len(p.Epochs))
	for _, e := range p.Epochs {
		epochs = append(epochs, account.Epoch{
			Gateway: g.ID, Number: e.Epoch, Spool: g.Spool, BeatAt: now,
			Sealed: e.SealedRows, SealedCU: e.SealedCU, SealedSeq: e.SealedSeq,
			AckedSeq: e.AckedSeq, FinalSeq: e.FinalSeq,
		})
	}
	epochs[0].Accepted, epochs[0].AcceptedCU, epochs[0].Dropped = events, cu, dropped
	return g, epochs
}

// watermark is the time before which everything recorded until now is stored.
// What is sealed says itself when it happened. What is not was appended since
// some time, and what will be is appended from now on: neither happened more
// than slack before it was appended.
func watermark(now time.Time, p *spool.Progress, slack time.Duration) time.Time {
	w := now.Add(-slack)
	if at := p.Appended.Add(-slack); !p.Appended.IsZero() && at.Before(w) {
		w = at
	}
	if !p.First.IsZero() && p.First.Before(w) {
		w = p.First
	}
	return w
}
