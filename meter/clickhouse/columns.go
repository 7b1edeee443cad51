package clickhouse

import (
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"pokt.ai/meter/spool"
)

const insertEvents = `INSERT INTO events (day, gateway, epoch, seq, row, time, org, key, request_id, ` +
	`chain, method, upstream, prices, outcome, flags, rpc_code, cu, latency_us, request_bytes, response_bytes)`

// chunkRows is how many rows are turned at a time: few, so that the columns stay
// in the processor's cache and need not be kept in the size of a whole segment.
const chunkRows = 4096

// columns are some rows of a segment, turned. One is reused for many segments.
type columns struct {
	day       []time.Time
	epoch     []uint64
	seq, row  []uint32
	time      []time.Time
	org, key  []uint64
	requestID []uint64
	flags     []uint8
	rpcCode   []int16
	cu        []uint32
	latency   []uint32
	request   []uint32 // bytes
	response  []uint32 // bytes

	// Names are handed to the driver as interfaces that were made once a name:
	// making one a row would allocate (BenchmarkStore).
	gateway, chain, method, upstream, prices, outcome []any

	names    []any // by number in the segment
	outcomes [256]any
}

// addTo adds the segment's rows to a batch of insertEvents.
func (c *columns) addTo(batch driver.Batch, segment *spool.Segment) error {
	c.reset()
	clear(c.names) // another segment has other numbers
	var gateway any = segment.Gateway
	day := day(segment.First)
	row := uint32(0)
	for r := range segment.Records() {
		if len(c.row) == chunkRows {
			if err := c.flushTo(batch); err != nil {
				return err
			}
		}
		c.day = append(c.day, day)
		c.gateway = append(c.gateway, gateway)
		c.epoch = append(c.epoch, segment.Epoch)
		c.seq = append(c.seq, uint32(segment.Seq))
		c.row = append(c.row, row)
		c.time = append(c.time, time.UnixMicro(r.TimeMicros))
		c.org = append(c.org, r.Org)
		c.key = append(c.key, r.Key)
		c.requestID = append(c.requestID, r.RequestID)
		c.chain = append(c.chain, c.name(segment, r.Chain))
		c.method = append(c.method, c.name(segment, r.Method))
		c.upstream = append(c.upstream, c.name(segment, r.Upstream))
		c.prices = append(c.prices, c.name(segment, r.Prices))
		c.outcome = append(c.outcome, c.outcomeText(r.Outcome))
		c.flags = append(c.flags, uint8(r.Flags))
		c.rpcCode = append(c.rpcCode, r.RPCCode)
		c.cu = append(c.cu, r.CU)
		c.latency = append(c.latency, r.LatencyMicros)
		c.request = append(c.request, r.RequestBytes)
		c.response = append(c.response, r.ResponseBytes)
		row++
	}
	return c.flushTo(batch)
}

// flushTo moves the rows to the batch, which copies them.
func (c *columns) flushTo(batch driver.Batch) error {
	for i, column := range []any{
		c.day, c.gateway, c.epoch, c.seq, c.row, c.time, c.org, c.key, c.requestID,
		c.chain, c.method, c.upstream, c.prices, c.outcome, c.flags, c.rpcCode, c.cu, c.latency, c.request, c.response,
	} {
		if err := batch.Column(i).Append(column); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	c.reset()
	return nil
}

func (c *columns) reset() {
	c.day, c.epoch, c.seq, c.row, c.time = c.day[:0], c.epoch[:0], c.seq[:0], c.row[:0], c.time[:0]
	c.org, c.key, c.requestID = c.org[:0], c.key[:0], c.requestID[:0]
	c.flags, c.rpcCode = c.flags[:0], c.rpcCode[:0]
	c.cu, c.latency, c.request, c.response = c.cu[:0], c.latency[:0], c.request[:0], c.response[:0]
	c.gateway, c.chain, c.method = c.gateway[:0], c.chain[:0], c.method[:0]
	c.upstream, c.prices, c.outcome = c.upstream[:0], c.prices[:0], c.outcome[:0]
}

func (c *columns) name(segment *spool.Segment, n spool.Name) any {
	for len(c.names) <= int(n) {
		c.names = append(c.names, nil)
	}
	if c.names[n] == nil {
		c.names[n] = segment.Text(n)
	}
	return c.names[n]
}

func (c *columns) outcomeText(o spool.Outcome) any {
	if c.outcomes[o] == nil {
		c.outcomes[o] = o.String()
	}
	return c.outcomes[o]
}

// day is the UTC day that a segment with this first call belongs to.
func day(first time.Time) time.Time {
	return first.UTC().Truncate(24 * time.Hour)
}
