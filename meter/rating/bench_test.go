package rating_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"

	"pokt.ai/internal/account"
	"pokt.ai/internal/store"
	"pokt.ai/meter/rating"
)

// BenchmarkClose measures an hour of 10,000 ledger rows, from asking what is
// stored to the end of the transaction.
func BenchmarkClose(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchmarkClose(b, "sqlite:"+filepath.Join(b.TempDir(), "db")) })
	b.Run("postgres", func(b *testing.B) { benchmarkClose(b, newPostgres(b)) })
}

func benchmarkClose(b *testing.B, dsn string) {
	const orgs, rows = 50, 10_000
	h := newHouse(b, dsn)
	rater := rating.New(rating.DefaultConfig(), h.source, h.db, zerolog.Nop(), metrics.NewSet())
	ids := []account.OrgID{h.newOrg(b, "acme", everything())}
	for range orgs - 1 {
		id := account.NewOrgID()
		must(b, h.db.CreateOrg(b.Context(), account.Org{ID: id, Name: id.String(), Plan: "acme", CreatedAt: noon}))
		ids = append(ids, id)
	}
	at := noon
	for b.Loop() {
		b.StopTimer()
		info := store.SegmentInfo{Name: at.String(), FirstEvent: at, LastEvent: at, StoredAt: at}
		var list []store.UsageRow
		for i := range rows {
			list = append(list, calls{at: at, org: ids[i%orgs], key: account.KeyID(1 + i), n: 100}.row())
		}
		_, err := h.db.AddUsage(b.Context(), info, list)
		must(b, err)
		at = at.Add(time.Hour)
		b.StartTimer()
		must(b, rater.Pass(b.Context(), at))
	}
	b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
