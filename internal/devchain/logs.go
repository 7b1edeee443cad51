package devchain

import (
	"encoding/json"
	"errors"
	"slices"
)

const (
	maxTopics       = 4
	maxLogOptions   = 1000   // addresses, or topics of one position
	maxLogsReturned = 10_000 // of one query
)

// logFilter is the object of eth_getLogs.
type logFilter struct {
	From      *blockRef          `json:"fromBlock"`
	To        *blockRef          `json:"toBlock"`
	BlockHash *hash              `json:"blockHash"`
	Addresses oneOrMore[address] `json:"address"`
	Topics    []oneOrMore[hash]  `json:"topics"`
}

// oneOrMore is a value or an array of them; empty, and null, match anything.
type oneOrMore[T any] []T

func (v *oneOrMore[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*v = make([]T, 1)
		return json.Unmarshal(b, &(*v)[0])
	}
	return json.Unmarshal(b, (*[]T)(v))
}

func (c *Chain) getLogs(dst []byte, args []json.RawMessage) ([]byte, error) {
	var f logFilter
	if err := json.Unmarshal(args[0], &f); err != nil {
		return dst, invalidArgument("invalid argument 0: %v", err)
	}
	if err := f.validate(); err != nil {
		return dst, err
	}
	blocks, err := c.logBlocks(&f)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '[')
	found := 0
	for _, b := range blocks {
		for index := range b.receipts {
			for i := range b.receipts[index].logs {
				if !f.matches(&b.receipts[index].logs[i]) {
					continue
				}
				if found == maxLogsReturned {
					return dst, &rpcError{code: codeTooMany, message: "query returned more than 10000 results"}
				}
				dst = b.appendLog(appendComma(dst, found), index, i)
				found++
			}
		}
	}
	return append(dst, ']'), nil
}

func (f *logFilter) validate() error {
	if f.BlockHash != nil && (f.From != nil || f.To != nil) {
		return invalidArgument("invalid argument 0: cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other")
	}
	if len(f.Topics) > maxTopics {
		return errors.New("exceed max topics")
	}
	over := len(f.Addresses) > maxLogOptions
	for _, options := range f.Topics {
		over = over || len(options) > maxLogOptions
	}
	if over {
		return errors.New("exceed max addresses or topics per search position")
	}
	for _, r := range []*blockRef{f.From, f.To} {
		if r != nil && r.tag == "pending" {
			return errors.New("pending logs are not supported")
		}
	}
	return nil
}

func (f *logFilter) matches(l *logEntry) bool {
	if len(f.Addresses) > 0 && !slices.Contains(f.Addresses, l.address) {
		return false
	}
	if len(f.Topics) > len(l.topics) {
		return false
	}
	for i, options := range f.Topics {
		if len(options) > 0 && !slices.Contains(options, l.topics[i]) {
			return false
		}
	}
	return true
}

// logBlocks returns the blocks in the filter's range, which ends at the head at
// the latest.
func (c *Chain) logBlocks(f *logFilter) ([]*block, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if f.BlockHash != nil {
		b := c.byHash[*f.BlockHash]
		if b == nil {
			return nil, errors.New("unknown block")
		}
		return []*block{b}, nil
	}
	var from, to blockRef // latest, unless given
	if f.From != nil {
		from = *f.From
	}
	if f.To != nil {
		to = *f.To
	}
	first, last := c.numberLocked(from), c.numberLocked(to)
	if from.number != nil && to.number != nil && first > last {
		return nil, errors.New("invalid block range params")
	}
	if first < c.oldestAt(c.head.number) {
		return nil, c.prunedLocked()
	}
	var blocks []*block
	for last = min(last, c.head.number); first <= last; first++ {
		blocks = append(blocks, c.ring[first%uint64(len(c.ring))])
	}
	return blocks, nil
}
