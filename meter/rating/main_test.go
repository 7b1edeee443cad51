package rating_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/secret"
	"pokt.ai/internal/store"
	"pokt.ai/meter/embedded"
	"pokt.ai/meter/rating"
)

const postgresEnv = "POKTAI_TEST_POSTGRES"

// onBoth runs a test on SQLite and on Postgres.
func onBoth(t *testing.T, test func(t *testing.T, h *house)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newHouse(t, "sqlite:"+filepath.Join(t.TempDir(), "db")))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, newHouse(t, newPostgres(t)))
	})
}

func newPostgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv(postgresEnv)
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not set: nothing was tested on Postgres", postgresEnv)
		}
		t.Skipf("NOT TESTED ON POSTGRES: %s is not set", postgresEnv)
	}
	u, err := url.Parse(server)
	must(t, err)
	name := "poktai_test_" + strings.ToLower(rand.Text())
	execPostgres(t, server, `CREATE DATABASE `+name)
	t.Cleanup(func() { execPostgres(t, server, `DROP DATABASE `+name+` WITH (FORCE)`) })
	u.Path = "/" + name
	return u.String()
}

func execPostgres(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx := context.Background() // t.Context is over in cleanups
	conn, err := pgx.Connect(ctx, dsn)
	must(t, err)
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A house is a database with usage, and a rater of it.
type house struct {
	dsn    string
	db     *store.DB
	source *embedded.Source
	rater  *rating.Rater
	seq    uint64
}

func newHouse(t testing.TB, dsn string) *house {
	t.Helper()
	h := &house{dsn: dsn, db: openStore(t, dsn)}
	must(t, h.db.Migrate(t.Context()))
	h.source = embedded.NewSource(h.db)
	h.rater = newRater(t, h.db)
	return h
}

func openStore(t testing.TB, dsn string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Config{DSN: secret.New(dsn)}, zerolog.Nop())
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return db
}

func newRater(t testing.TB, db *store.DB) *rating.Rater {
	cfg := rating.DefaultConfig()
	cfg.Validate(func(key, message string) { t.Fatalf("%s %s", key, message) })
	return rating.New(cfg, embedded.NewSource(db), db, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel), metrics.NewSet())
}

const (
	hourly = time.Hour
	dollar = account.Micros(1_000_000)
)

// noon is a time of which the tests play around.
var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// flat is a pricing of a dollar a million compute units: a micro each.
func flat(id string) account.Pricing {
	return account.Pricing{ID: id, Base: account.Rate{Tiers: []account.Tier{{PerMillion: dollar}}}}
}

// newOrg makes an organisation that has paid by p since the year began.
func (h *house) newOrg(t testing.TB, name string, p account.Pricing) account.OrgID {
	t.Helper()
	if p.ID != "" {
		must(t, h.db.CreatePricing(t.Context(), p))
	}
	must(t, h.db.PutPlan(t.Context(), account.Plan{ID: name, Pricing: p.ID}))
	o := account.Org{ID: account.NewOrgID(), Name: name, Plan: name, CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	must(t, h.db.CreateOrg(t.Context(), o))
	return o.ID
}

// calls are calls of 10 CU each that were answered at one time.
type calls struct {
	at            time.Time
	org           account.OrgID
	key           account.KeyID
	chain, method string
	outcome       string
	prices        string
	n             int64
}

func (c calls) row() store.UsageRow {
	r := store.UsageRow{
		Minute: c.at.Truncate(time.Minute).UnixMicro(), Org: c.org.String(), Key: c.key.String(),
		Chain: orElse(c.chain, "eth"), Method: orElse(c.method, "eth_call"), Outcome: orElse(c.outcome, "answered"),
		Prices: orElse(c.prices, "v1"), Calls: c.n,
	}
	if r.Outcome == "answered" || r.Outcome == "rpc_error" {
		r.Charged, r.CU = true, 10*c.n
	}
	return r
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// store stores calls as one segment of a gateway.
func (h *house) store(t testing.TB, list ...calls) {
	t.Helper()
	h.seq++
	info := store.SegmentInfo{
		Name: fmt.Sprintf("gw-1-%013d-%08d", 1, h.seq), Gateway: "gw-1", Epoch: 1, Seq: h.seq,
		FirstEvent: list[0].at, LastEvent: list[0].at, StoredAt: list[0].at,
	}
	var rows []store.UsageRow
	for _, c := range list {
		rows = append(rows, c.row())
		info.Rows += c.n
		info.CU += rows[len(rows)-1].CU
	}
	added, err := h.db.AddUsage(t.Context(), info, rows)
	must(t, err)
	if !added {
		t.Fatalf("segment %s was not added", info.Name)
	}
}

func (h *house) pass(t testing.TB, now time.Time) {
	t.Helper()
	must(t, h.rater.Pass(t.Context(), now))
}

func (h *house) closedUntil(t testing.TB) time.Time {
	t.Helper()
	head, err := h.db.LedgerHead(t.Context())
	must(t, err)
	return head.ClosedUntil
}

// ledger returns the rows booked from from on and before until, in order.
func (h *house) ledger(t testing.TB, from, until time.Time) []store.LedgerRow {
	t.Helper()
	var list []store.LedgerRow
	for hour := from; hour.Before(until); hour = hour.Add(time.Hour) {
		rows, err := h.db.LedgerBooked(t.Context(), hour)
		must(t, err)
		slices.SortFunc(rows, func(a, b store.LedgerRow) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		list = append(list, rows...)
	}
	return list
}

// wantEqual replays and verifies everything that is closed.
func (h *house) wantEqual(t testing.TB) {
	t.Helper()
	first := time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)
	rep, err := rating.Replay(t.Context(), h.db, h.source, first, h.closedUntil(t))
	must(t, err)
	for _, d := range rep.Differences.List {
		t.Errorf("replay: %s", d)
	}
	found, err := rating.Verify(t.Context(), h.db, h.source, first, first.AddDate(2, 0, 0))
	must(t, err)
	for _, d := range found.Differences.List {
		t.Errorf("verify: %s", d)
	}
}
