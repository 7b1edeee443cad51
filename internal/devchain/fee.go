package devchain

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/holiman/uint256"
)

const (
	maxFeeBlocks   = 1024
	maxPercentiles = 100
)

// count is a number of blocks: a QUANTITY, or a number as some clients send it.
type count struct{ n uint64 }

func (v *count) UnmarshalJSON(b []byte) (err error) {
	if len(b) > 0 && b[0] != '"' {
		v.n, err = strconv.ParseUint(string(b), 10, 64)
		return err
	}
	var q quantity
	if err := q.UnmarshalJSON(b); err != nil {
		return err
	}
	if v.n = q.Uint64(); !q.IsUint64() {
		return errors.New("hex number > 64 bits")
	}
	return nil
}

func (c *Chain) feeHistory(dst []byte, args []json.RawMessage) ([]byte, error) {
	blocks, err := argument[count](args, 0)
	if err != nil {
		return dst, err
	}
	newest, err := argument[blockRef](args, 1)
	if err != nil {
		return dst, err
	}
	percentiles, err := percentileArgument(args, 2)
	if err != nil {
		return dst, err
	}
	history, err := c.history(newest, min(blocks.n, maxFeeBlocks))
	if err != nil {
		return dst, err
	}
	if len(history) == 0 {
		return append(dst, `{"oldestBlock":"0x0","gasUsedRatio":null}`...), nil
	}
	dst = appendQuantityField(dst, `{"oldestBlock":`, history[0].number)
	dst = append(dst, `,"baseFeePerGas":[`...)
	for range history {
		dst = append(appendQuantity(dst, baseFee), ',')
	}
	dst = append(appendQuantity(dst, baseFee), `],"gasUsedRatio":[`...)
	for i, b := range history {
		dst = strconv.AppendFloat(appendComma(dst, i), float64(b.gasUsed)/gasLimit, 'g', -1, 64)
	}
	dst = append(dst, ']')
	if len(percentiles) > 0 {
		dst = append(dst, `,"reward":[`...)
		for i, b := range history {
			dst = b.appendRewards(appendComma(dst, i), percentiles)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}'), nil
}

func percentileArgument(args []json.RawMessage, i int) (percentiles []float64, err error) {
	if i >= len(args) {
		return nil, nil
	}
	if err := json.Unmarshal(args[i], &percentiles); err != nil {
		return nil, invalidArgument("invalid argument %d: %v", i, err)
	}
	if len(percentiles) > maxPercentiles {
		return nil, errors.New("invalid reward percentile: over the query limit 100")
	}
	for j, p := range percentiles {
		if p < 0 || p > 100 || (j > 0 && p <= percentiles[j-1]) {
			return nil, errors.New("invalid reward percentile: must rise between 0 and 100")
		}
	}
	return percentiles, nil
}

// history returns up to n blocks that are kept, oldest first, the last of them
// newest.
func (c *Chain) history(newest blockRef, n uint64) ([]*block, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	last, err := c.heightLocked(newest)
	if err != nil {
		return nil, err
	}
	first := max(c.oldestAt(c.head.number), last+1-min(n, last+1))
	var blocks []*block
	for ; first <= last; first++ {
		blocks = append(blocks, c.ring[first%uint64(len(c.ring))])
	}
	return blocks, nil
}

// appendRewards appends the tips at those percentiles of the gas used.
func (b *block) appendRewards(dst []byte, percentiles []float64) []byte {
	order := slices.SortedFunc(slices.Values(b.receipts), func(x, y receipt) int {
		return cmp.Or(x.price.Cmp(&y.price), cmp.Compare(x.cumulativeGas, y.cumulativeGas))
	})
	dst = append(dst, '[')
	i, sum := 0, uint64(0)
	for j, p := range percentiles {
		dst = appendComma(dst, j)
		if len(order) == 0 {
			dst = appendQuantity(dst, 0)
			continue
		}
		threshold := uint64(float64(b.gasUsed) * p / 100)
		for sum+order[i].gasUsed < threshold && i < len(order)-1 {
			sum += order[i].gasUsed
			i++
		}
		var tip uint256.Int
		dst = appendQuantityInt(dst, tip.SubUint64(&order[i].price, baseFee))
	}
	return append(dst, ']')
}
