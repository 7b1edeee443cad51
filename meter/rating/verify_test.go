package rating_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter"
	"pokt.ai/meter/embedded"
	"pokt.ai/meter/rating"
	"pokt.ai/meter/spool"
)

// A gateway is all of metering in a gateway.
type gateway struct {
	cfg      meter.Config
	spool    *spool.Spool
	recorder *meter.Recorder
	shipper  *meter.Shipper
	beat     *meter.Heartbeat
}

func gatewayConfig(dir, id string) meter.Config {
	cfg := meter.DefaultConfig()
	cfg.Spool.Dir = dir
	cfg.Spool.Gateway = id
	cfg.Spool.SealRows = 64
	return cfg
}

func openGateway(db *store.DB, cfg meter.Config) (*gateway, error) {
	set := metrics.NewSet()
	sp, err := spool.Open(cfg.Spool, zerolog.Nop(), set)
	if err != nil {
		return nil, err
	}
	g := &gateway{cfg: cfg, spool: sp, recorder: meter.NewRecorder(sp, set)}
	g.shipper = meter.NewShipper(cfg.Ship, sp, embedded.New(db, zerolog.Nop()), zerolog.Nop(), set)
	g.beat = meter.NewHeartbeat(sp, g.recorder, db, time.Second, zerolog.Nop(), set)
	return g, nil
}

func (h *house) gateway(t testing.TB, dir, id string) *gateway {
	t.Helper()
	g, err := openGateway(h.db, gatewayConfig(dir, id))
	must(t, err)
	t.Cleanup(func() { must(t, g.spool.Close()) })
	return g
}

func (g *gateway) record(org account.OrgID, at time.Time, n int) error {
	for range n {
		if err := g.recorder.Record(&meter.Event{
			TimeMicros: at.UnixMicro(), Org: uint64(org), Key: 1, CU: 10, Outcome: meter.Answered,
			Chain: g.recorder.Intern("eth"), Method: g.recorder.Intern("eth_call"), Prices: g.recorder.Intern("v1"),
		}); err != nil {
			return err
		}
	}
	return nil
}

// ship seals and stores what was recorded, and reports.
func (g *gateway) ship(ctx context.Context) error {
	return errors.Join(g.spool.Flush(ctx), g.shipper.Drain(ctx), g.beat.Beat(ctx))
}

func (h *house) verify(t testing.TB) *rating.Report {
	t.Helper()
	rep, err := rating.Verify(t.Context(), h.db, h.source, time.Now().Add(-48*time.Hour), time.Now().Add(24*time.Hour))
	must(t, err)
	return rep
}

// wantDifferences fails unless verify finds exactly those that have these texts in
// them.
func (h *house) wantDifferences(t testing.TB, texts ...string) {
	t.Helper()
	var got []string
	for _, d := range h.verify(t).Differences.List {
		got = append(got, d.String())
	}
	for _, text := range texts {
		i := slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, text) })
		if i < 0 {
			t.Errorf("nothing says %q, only %q", text, got)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	if len(got) > 0 {
		t.Errorf("also found: %q", got)
	}
}

func TestVerifyFollowsARunningGateway(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org := h.newOrg(t, "acme", flat("p"))
		g := h.gateway(t, t.TempDir(), "gw-1")
		must(t, g.beat.Claim(t.Context()))
		want := func(what string, accepted, spooled, stored, waiting int64) {
			t.Helper()
			must(t, g.beat.Beat(t.Context()))
			rep := h.verify(t)
			got := rep.Epochs[0]
			got.Gateway, got.Epoch = "", 0
			if exp := (rating.EpochReport{Accepted: accepted, Spooled: spooled, Stored: stored, Waiting: waiting}); got != exp {
				t.Errorf("%s: %+v, want %+v", what, got, exp)
			}
			if !rep.Differences.None() {
				t.Errorf("%s: %v", what, rep.Differences.List)
			}
		}
		want("nothing", 0, 0, 0, 0)
		must(t, g.record(org, time.Now(), 10))
		want("recorded", 10, 0, 0, 10)
		must(t, g.spool.Flush(t.Context()))
		want("sealed", 10, 10, 0, 10)
		must(t, g.shipper.Drain(t.Context()))
		want("stored", 10, 10, 10, 0)
		must(t, g.record(org, time.Now(), 5))
		want("and some more", 15, 10, 10, 5)
		// Stored after the last report is no difference either.
		must(t, g.spool.Flush(t.Context()))
		must(t, g.shipper.Drain(t.Context()))
		if rep := h.verify(t); !rep.Differences.None() || rep.Epochs[0].Stored != 15 {
			t.Errorf("stored and not yet reported: %+v", rep)
		}
		must(t, g.beat.Release(t.Context()))
		if rep := h.verify(t); !rep.Differences.None() || rep.Epochs[0].Ended != account.Clean {
			t.Errorf("after a clean stop: %+v", rep)
		}
	})
}

// TestVerifyNamesEveryDifference damages what is stored in every place, one at a
// time.
func TestVerifyNamesEveryDifference(t *testing.T) {
	damages := []struct {
		name   string
		sql    []string
		expect []string
	}{
		{"nothing", nil, nil},
		{"a lost segment", []string{`DELETE FROM segments WHERE seq = 2`}, []string{"-00000002: it has left the gateway and is not stored"}},
		{"the last segment lost", []string{`DELETE FROM segments WHERE seq = 3`}, []string{"-00000003: it has left"}},
		{"a segment with fewer calls", []string{`UPDATE segments SET row_count = row_count - 1 WHERE seq = 1`}, []string{"130 calls, 1300 CU were spooled up to segment 3 and 129 calls, 1300 CU stored"}},
		{"a segment that nobody sealed", []string{`INSERT INTO segments SELECT 'x', gateway_id, epoch, 4, 1, 10, first_us, last_us, sha256, stored_us FROM segments WHERE seq = 1`}, []string{"-00000004: it is stored, and the gateway had none after 3"}},
		{"usage counted twice", []string{`UPDATE usage_hour SET calls = 2 * calls, cu = 2 * cu`, `UPDATE usage_total SET calls = 2 * calls, charged = 2 * charged, cu = 2 * cu`}, []string{"260 calls, 2600 CU are stored and 130 calls, 1300 CU rated"}},
		{"rows and total apart", []string{`UPDATE usage_total SET cu = cu + 1`}, []string{"130 calls (130 charged, 1300 CU) are stored row by row, and 130 (130, 1301 CU) in total"}},
		{"a refused call with a price", []string{`UPDATE usage_hour SET outcome = 'forbidden'`, `UPDATE usage_total SET charged = 0`}, []string{"calls that are not charged have 1300 CU", "0 calls, 1300 CU are stored and 130 calls, 1300 CU rated"}},
		{"sum of the ledger", []string{`UPDATE closed_hours SET amount_micros = 1 WHERE calls > 0`}, []string{"the ledger's rows are 130 calls, 1300 CU, 0.001300 and their sum is kept as 130, 1300, 0.000001"}},
		{"the recorder's count", []string{`UPDATE gateway_epochs SET accepted = 131`}, []string{"131 calls, 1300 CU were accepted and 130 calls, 1300 CU spooled"}},
		{"dropped calls", []string{`UPDATE gateway_epochs SET accepted = accepted + 2, dropped = 2`}, []string{"2 calls were served and dropped"}},
	}
	onBoth(t, func(t *testing.T, h *house) {
		org := h.newOrg(t, "acme", flat("p"))
		g := h.gateway(t, t.TempDir(), "gw-1")
		must(t, g.beat.Claim(t.Context()))
		must(t, g.record(org, time.Now(), 130)) // three segments
		must(t, g.ship(t.Context()))
		must(t, g.beat.Release(t.Context()))
		h.pass(t, time.Now().Add(2*time.Hour))
		for _, d := range damages {
			t.Run(d.name, func(t *testing.T) {
				undo := h.damage(t, d.sql...)
				h.wantDifferences(t, d.expect...)
				undo()
			})
		}
		h.wantEqual(t)
	})
}

// TestReplayNamesEveryDifference changes the ledger and what it depends on.
func TestReplayNamesEveryDifference(t *testing.T) {
	damages := []struct {
		name, sql, expect string
	}{
		{"nothing", ``, ``},
		{"an amount", `UPDATE ledger SET amount_micros = amount_micros + 1 WHERE key_id = 'key_0000000000002'`, `the ledger has 0.000051 by "p" and replaying it gives 0.000050 by "p"`},
		{"a pricing", `UPDATE ledger SET pricing_id = 'q' WHERE key_id = 'key_0000000000002'`, `the ledger has 0.000050 by "q"`},
		{"a quantity", `UPDATE ledger SET calls = 6 WHERE key_id = 'key_0000000000002'`, "key key_0000000000002, prices v1: 5 calls, 50 CU are stored and 6 calls, 50 CU charged"},
		{"a row that is gone", `DELETE FROM ledger WHERE key_id = 'key_0000000000002'`, "key key_0000000000002, prices v1: 5 calls, 50 CU are stored and 0 calls, 0 CU charged"},
		{"the price", `UPDATE pricings SET body = REPLACE(body, '1000000', '2000000')`, "the ledger has 0.000050"},
		{"a minimum", `DELETE FROM ledger WHERE line = 'minimum'`, "line minimum: replaying gives 0.000920 and the ledger has no such row"},
		{"what is stored", `UPDATE usage_hour SET calls = 7 WHERE key_id = 'key_0000000000002'`, "7 calls, 50 CU are stored and 5 calls, 50 CU charged"},
		{"a balance", `UPDATE org_months SET cu = 0 WHERE line = 'base'`, "line base: 0 CU for 0.000080 are kept, the ledger's rows are 80 CU for 0.000080"},
	}
	onBoth(t, func(t *testing.T, h *house) {
		p := flat("p")
		p.Minimum = 1000
		org := h.newOrg(t, "acme", p)
		last := monthEnd.Add(-time.Hour)
		h.store(t, calls{at: last, org: org, key: 1, n: 3}, calls{at: last, org: org, key: 2, n: 5})
		h.pass(t, monthEnd)
		for _, d := range damages {
			t.Run(d.name, func(t *testing.T) {
				undo := h.damage(t, d.sql)
				defer undo()
				rep, err := rating.Replay(t.Context(), h.db, h.source, last, monthEnd)
				must(t, err)
				if d.expect == "" {
					if !rep.Differences.None() || rep.Rows != 3 || rep.Calls != 8 || rep.Amount != 1000 {
						t.Errorf("%+v", rep)
					}
					return
				}
				if text := fmt.Sprint(rep.Differences.List); !strings.Contains(text, d.expect) {
					t.Errorf("nothing says %q: %s", d.expect, text)
				}
			})
		}
		if _, err := rating.Replay(t.Context(), h.db, h.source, last, monthEnd.Add(time.Hour)); !errors.Is(err, rating.ErrOpen) {
			t.Errorf("an hour that is open: %v", err)
		}
	})
}

// damage changes the database behind everybody's back, and returns what puts it
// back as it was.
func (h *house) damage(t testing.TB, statements ...string) (undo func()) {
	t.Helper()
	driver, dsn := "pgx", h.dsn
	if path, ok := strings.CutPrefix(h.dsn, "sqlite:"); ok {
		driver, dsn = "sqlite", path+"?_pragma=busy_timeout(30000)"
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	defer db.Close()
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if driver == "pgx" {
		exec(`DROP TRIGGER IF EXISTS ledger_change ON ledger`)
	} else {
		exec(`DROP TRIGGER IF EXISTS ledger_update`)
		exec(`DROP TRIGGER IF EXISTS ledger_delete`)
	}
	tables := []string{"ledger", "closed_hours", "org_months", "pricings", "segments", "usage_hour", "usage_total", "gateway_epochs"}
	for _, table := range tables {
		exec(`DROP TABLE IF EXISTS saved_` + table)
		exec(`CREATE TABLE saved_` + table + ` AS SELECT * FROM ` + table)
	}
	for _, s := range statements {
		if s != "" {
			exec(s)
		}
	}
	return func() {
		t.Helper()
		db, err := sql.Open(driver, dsn)
		must(t, err)
		defer db.Close()
		for _, table := range tables {
			for _, s := range []string{`DELETE FROM ` + table, `INSERT INTO ` + table + ` SELECT * FROM saved_` + table} {
				if _, err := db.ExecContext(t.Context(), s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
		}
	}
}

// TestSecondGatewayWithTheSameID is refused before it ships anything.
func TestSecondGatewayWithTheSameID(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		first, second := h.gateway(t, t.TempDir(), "gw-1"), h.gateway(t, t.TempDir(), "gw-1")
		must(t, first.beat.Claim(t.Context()))
		err := second.beat.Claim(t.Context())
		if !errors.Is(err, account.ErrConflict) || !strings.Contains(err.Error(), "give this gateway an id of its own") {
			t.Errorf("%v", err)
		}
		must(t, first.beat.Release(t.Context()))
		must(t, second.beat.Claim(t.Context())) // the first one has gone, with nothing left
		if err := first.beat.Beat(t.Context()); !errors.Is(err, account.ErrConflict) {
			t.Errorf("the first one goes on: %v", err)
		}
	})
}

// TestRevivedGateway is given up with calls that it has not shipped. The hour is
// closed without them, verify names them, and when the gateway comes back after
// all they are charged late.
func TestRevivedGateway(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org, dir := h.newOrg(t, "acme", flat("p")), filepath.Join(t.TempDir(), "spool")
		before := time.Now().Add(-2 * time.Hour)
		g := h.gateway(t, dir, "gw-1")
		must(t, g.beat.Claim(t.Context()))
		must(t, g.record(org, before, 64))
		must(t, g.ship(t.Context()))
		must(t, g.record(org, before, 70))
		must(t, g.spool.Flush(t.Context()))
		must(t, g.beat.Beat(t.Context()))
		must(t, g.spool.Close())

		h.pass(t, time.Now())
		if until := h.closedUntil(t); until.After(before) {
			t.Fatalf("closed until %s while the gateway has calls of that time", until)
		}
		h.wantDifferences(t) // they may still come
		must(t, h.db.RetireGateway(t.Context(), "gw-1", time.Now().Add(2*time.Minute)))
		h.wantDifferences(t, "-00000002: it is not stored, and its gateway is retired", "-00000003: it is not stored")
		h.pass(t, time.Now())
		closed := h.closedUntil(t)
		if !closed.After(before) {
			t.Fatalf("closed until %s without the gateway", closed)
		}

		g = h.gateway(t, dir, "gw-1")
		must(t, g.beat.Claim(t.Context()))
		must(t, g.ship(t.Context()))
		must(t, g.beat.Release(t.Context()))
		h.pass(t, closed.Add(time.Hour))
		rows := h.ledger(t, closed, closed.Add(time.Hour))
		if len(rows) != 1 || rows[0].Calls != 70 || !rows[0].Hour.Equal(before.UTC().Truncate(time.Hour)) {
			t.Errorf("booked late: %+v", rows)
		}
		h.wantEqual(t)
	})
}

// TestClockStepsBack records a call in an hour that is closed.
func TestClockStepsBack(t *testing.T) {
	onBoth(t, func(t *testing.T, h *house) {
		org := h.newOrg(t, "acme", flat("p"))
		g := h.gateway(t, t.TempDir(), "gw-1")
		must(t, g.beat.Claim(t.Context()))
		now := time.Now()
		must(t, g.record(org, now.Add(-3*time.Hour), 5))
		must(t, g.ship(t.Context()))
		h.pass(t, now)
		closed := h.closedUntil(t)
		must(t, g.record(org, now.Add(-3*time.Hour), 2))
		must(t, g.spool.Flush(t.Context()))
		must(t, g.beat.Beat(t.Context()))
		h.pass(t, now.Add(5*time.Hour)) // waits for the call: it says when it was made
		if until := h.closedUntil(t); !until.Equal(closed) {
			t.Errorf("closed until %s, was %s", until, closed)
		}
		must(t, g.ship(t.Context()))
		must(t, g.beat.Release(t.Context()))
		h.pass(t, now.Add(5*time.Hour))
		if rows := h.ledger(t, closed, closed.Add(time.Hour)); len(rows) != 1 || rows[0].Calls != 2 || !rows[0].Hour.Before(closed) {
			t.Errorf("booked late: %+v", rows)
		}
		h.wantEqual(t)
	})
}
