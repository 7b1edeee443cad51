package devchain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// blockRef names a block: by tag, by number, or by hash, alone or in an object
// (EIP-1898). Its zero value is latest.
type blockRef struct {
	tag    string // empty if number or hash says it
	number *uint64
	hash   *hash
}

func (r *blockRef) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var object struct {
			BlockNumber *quantity `json:"blockNumber"`
			BlockHash   *hash     `json:"blockHash"`
		}
		if err := json.Unmarshal(b, &object); err != nil {
			return err
		}
		if (object.BlockNumber == nil) == (object.BlockHash == nil) {
			return errors.New("one of blockNumber and blockHash must be given")
		}
		if r.hash = object.BlockHash; r.hash != nil {
			return nil
		}
		return r.setNumber(object.BlockNumber)
	}
	switch tag := string(bytes.Trim(b, `"`)); tag {
	case "latest", "safe", "finalized", "earliest", "pending":
		r.tag = tag
		return nil
	}
	if len(b) == len(`"0x"`)+2*len(hash{}) {
		r.hash = new(hash)
		return r.hash.UnmarshalJSON(b)
	}
	var n quantity
	if err := n.UnmarshalJSON(b); err != nil {
		return err
	}
	return r.setNumber(&n)
}

func (r *blockRef) setNumber(n *quantity) error {
	if !n.IsUint64() {
		return errors.New("block number larger than int64")
	}
	number := n.Uint64()
	r.number = &number
	return nil
}

var errPending = errors.New("pending block is not available")

// blockLocked returns the block that r names, nil if there is none yet.
func (c *Chain) blockLocked(r blockRef) (*block, error) {
	if r.hash != nil {
		return c.byHash[*r.hash], nil
	}
	if r.tag == "pending" {
		return nil, errPending
	}
	n := c.numberLocked(r)
	switch {
	case n > c.head.number:
		return nil, nil
	case n == 0:
		return c.genesis, nil
	case n < c.oldestAt(c.head.number):
		return nil, c.prunedLocked()
	}
	return c.ring[n%uint64(len(c.ring))], nil
}

// numberLocked is the height that r names if it is not a hash; pending counts
// as latest.
func (c *Chain) numberLocked(r blockRef) uint64 {
	back := func(depth uint64) uint64 { return c.head.number - min(depth, c.head.number) }
	switch {
	case r.number != nil:
		return *r.number
	case r.tag == "earliest":
		return 0
	case r.tag == "safe":
		return back(safeDepth)
	case r.tag == "finalized":
		return back(finalizedDepth)
	}
	return c.head.number
}

// heightLocked is the height whose state r names. What waits in the pool has
// not run, so that pending is the latest state.
func (c *Chain) heightLocked(r blockRef) (uint64, error) {
	n := c.numberLocked(r)
	if r.hash != nil {
		b := c.byHash[*r.hash]
		if b == nil {
			return 0, errors.New("header for hash not found")
		}
		n = b.number
	}
	if n > c.head.number {
		return 0, errors.New("header not found")
	}
	if n < c.oldestAt(c.head.number) {
		return 0, c.prunedLocked()
	}
	return n, nil
}

func (c *Chain) prunedLocked() error {
	return &rpcError{
		code:    codePruned,
		message: fmt.Sprintf("pruned history unavailable: this simulated chain keeps blocks from %d on", c.oldestAt(c.head.number)),
	}
}
