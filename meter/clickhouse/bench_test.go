package clickhouse_test

import (
	"testing"
	"time"

	"pokt.ai/internal/testclickhouse"
	"pokt.ai/meter/clickhouse"
	"pokt.ai/meter/spool"
)

// BenchmarkStore stores full segments of a busy gateway.
func BenchmarkStore(b *testing.B) {
	server := testclickhouse.Shared(b)
	for _, protocol := range []clickhouse.Protocol{clickhouse.Native, clickhouse.HTTP} {
		b.Run(string(protocol), func(b *testing.B) {
			db := open(b, newDatabase(b, server, protocol))
			must(b, db.Migrate(b.Context()))
			rows := spool.DefaultConfig().SealRows
			h := newHouse(b, "gw-1", rows)
			h.every = 4 * time.Millisecond // 5,000 calls a second
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				b.StopTimer()
				segment := h.seal(b, rows)
				b.StartTimer()
				store(b, db, segment)
				n++
			}
			b.ReportMetric(float64(n*rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
