package devchain

import (
	"encoding/json"
	"errors"
)

type runFunc = func(c *Chain, dst []byte, args []json.RawMessage) ([]byte, error)

// byHash makes a method take no other name for its block.
func byHash(run runFunc) runFunc {
	return func(c *Chain, dst []byte, args []json.RawMessage) ([]byte, error) {
		if _, err := argument[hash](args, 0); err != nil {
			return dst, err
		}
		return run(c, dst, args)
	}
}

// boolean is an argument.
type boolean bool

func (v *boolean) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true":
		*v = true
	case "false":
	default:
		return errors.New("neither true nor false")
	}
	return nil
}

// blockArgument returns the block that the first argument names, by number, tag
// or hash; nil if there is none.
func (c *Chain) blockArgument(args []json.RawMessage) (*block, error) {
	at, err := argument[blockRef](args, 0)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.blockLocked(at)
}

func (c *Chain) getBlock(dst []byte, args []json.RawMessage) ([]byte, error) {
	full, err := argument[boolean](args, 1)
	if err != nil {
		return dst, err
	}
	b, err := c.blockArgument(args)
	if err != nil || b == nil {
		return append(dst, "null"...), err
	}
	return b.appendJSON(dst, bool(full)), nil
}

func (c *Chain) countTransactions(dst []byte, args []json.RawMessage) ([]byte, error) {
	b, err := c.blockArgument(args)
	if err != nil || b == nil {
		return append(dst, "null"...), err
	}
	return appendQuantity(dst, uint64(len(b.txs))), nil
}

func (c *Chain) getTransactionAt(dst []byte, args []json.RawMessage) ([]byte, error) {
	index, err := argument[quantity](args, 1)
	if err != nil {
		return dst, err
	}
	b, err := c.blockArgument(args)
	if err != nil || b == nil || !index.LtUint64(uint64(len(b.txs))) {
		return append(dst, "null"...), err
	}
	i := int(index.Uint64())
	return b.txs[i].appendJSON(dst, b, i), nil
}

// find returns where a transaction is, or, without a block, that it waits.
func (c *Chain) find(args []json.RawMessage) (place txPlace, waiting *transaction, err error) {
	h, err := argument[hash](args, 0)
	if err != nil {
		return place, nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.txs[h], c.pool.byHash[h], nil
}

func (c *Chain) getTransaction(dst []byte, args []json.RawMessage) ([]byte, error) {
	place, waiting, err := c.find(args)
	switch {
	case place.block != nil:
		return place.block.txs[place.index].appendJSON(dst, place.block, place.index), nil
	case waiting != nil:
		return waiting.appendJSON(dst, nil, 0), nil
	}
	return append(dst, "null"...), err
}

func (c *Chain) getReceipt(dst []byte, args []json.RawMessage) ([]byte, error) {
	place, _, err := c.find(args)
	if err != nil || place.block == nil {
		return append(dst, "null"...), err
	}
	return place.block.appendReceipt(dst, place.index), nil
}

func (c *Chain) getBlockReceipts(dst []byte, args []json.RawMessage) ([]byte, error) {
	b, err := c.blockArgument(args)
	if err != nil || b == nil {
		return append(dst, "null"...), err
	}
	dst = append(dst, '[')
	for i := range b.txs {
		dst = b.appendReceipt(appendComma(dst, i), i)
	}
	return append(dst, ']'), nil
}
