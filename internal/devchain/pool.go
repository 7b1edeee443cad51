package devchain

import (
	"errors"
	"fmt"
	"slices"

	"github.com/holiman/uint256"
)

const (
	maxPoolTxs  = 8192
	maxTxBytes  = 128 << 10
	replaceBump = 110 // percent of both fees that a replacement must offer
)

var (
	errKnown             = errors.New("already known")
	errReplaceTooCheap   = errors.New("replacement transaction underpriced")
	errPoolFull          = errors.New("txpool is full")
	errNoCreation        = errors.New("simulated chain: contract creation is not supported, no bytecode is executed")
	errNoPrecompiles     = errors.New("simulated chain: precompiled contracts are not supported")
	errInsufficientFunds = errors.New("insufficient funds for gas * price + value")
)

// pool holds the transactions that wait for a block: for each sender by nonce,
// senders in the order in which they came.
type pool struct {
	byHash  map[hash]*transaction
	queues  map[address][]*transaction
	senders []address
}

// validate checks what does not depend on the state, in geth's words.
func (tx *transaction) validate() error {
	if len(tx.raw) > maxTxBytes {
		return fmt.Errorf("oversized data: transaction size %d, limit %d", len(tx.raw), maxTxBytes)
	}
	if tx.to == nil {
		return errNoCreation
	}
	if isPrecompile(*tx.to) {
		return errNoPrecompiles
	}
	if tx.gas > gasLimit {
		return errors.New("exceeds block gas limit")
	}
	if tx.feeCap.Lt(&tx.tip) {
		return errors.New("max priority fee per gas higher than max fee per gas")
	}
	if tx.nonce+1 == 0 {
		return errors.New("nonce has max value")
	}
	if needed := intrinsicGas(tx.data, tx.accessList); tx.gas < needed {
		return fmt.Errorf("intrinsic gas too low: gas %d, minimum needed %d", tx.gas, needed)
	}
	// geth keeps such a transaction until the base fee falls. Here it never does.
	if tx.feeCap.LtUint64(baseFee) {
		return fmt.Errorf("max fee per gas less than block base fee: address %s, maxFeePerGas: %s, baseFee: %d",
			tx.from, tx.feeCap.Dec(), uint64(baseFee))
	}
	return nil
}

// add takes a valid transaction of a sender who has that account now.
func (p *pool) add(tx *transaction, sender account) error {
	if p.byHash[tx.hash] != nil {
		return errKnown
	}
	if tx.nonce < sender.nonce {
		return fmt.Errorf("nonce too low: next nonce %d, tx nonce %d", sender.nonce, tx.nonce)
	}
	queue := p.queues[tx.from]
	i, replaces := slices.BinarySearchFunc(queue, tx.nonce, func(q *transaction, nonce uint64) int {
		if q.nonce < nonce {
			return -1
		}
		return int(min(q.nonce-nonce, 1))
	})
	if err := affordable(tx, sender, queue); err != nil {
		return err
	}
	if replaces {
		old := queue[i]
		if !outbids(&tx.tip, &old.tip) || !outbids(&tx.feeCap, &old.feeCap) {
			return errReplaceTooCheap
		}
		delete(p.byHash, old.hash)
		queue[i] = tx
	} else {
		if len(p.byHash) >= maxPoolTxs {
			return errPoolFull
		}
		if len(queue) == 0 {
			p.senders = append(p.senders, tx.from)
		}
		queue = slices.Insert(queue, i, tx)
	}
	p.queues[tx.from] = queue
	p.byHash[tx.hash] = tx
	return nil
}

// affordable checks the sender's balance against tx and all that waits already,
// so that a transaction taken in can be paid for when its turn comes.
func affordable(tx *transaction, sender account, queue []*transaction) error {
	cost, ok := tx.cost()
	if !ok {
		return fmt.Errorf("%w: balance %s, tx cost over 256 bits", errInsufficientFunds, sender.balance.Dec())
	}
	var over uint256.Int
	if sender.balance.Lt(cost) {
		return fmt.Errorf("%w: balance %s, tx cost %s, overshot %s", errInsufficientFunds,
			sender.balance.Dec(), cost.Dec(), over.Sub(cost, &sender.balance).Dec())
	}
	var queued uint256.Int
	for _, q := range queue {
		if q.nonce != tx.nonce {
			c, _ := q.cost()
			queued.Add(&queued, c)
		}
	}
	if need := new(uint256.Int).Add(&queued, cost); sender.balance.Lt(need) {
		return fmt.Errorf("%w: balance %s, queued cost %s, tx cost %s, overshot %s", errInsufficientFunds,
			sender.balance.Dec(), queued.Dec(), cost.Dec(), over.Sub(need, &sender.balance).Dec())
	}
	return nil
}

func outbids(offer, old *uint256.Int) bool {
	var want, got uint256.Int
	want.Mul(old, uint256.NewInt(replaceBump))
	got.Mul(offer, uint256.NewInt(100))
	return !got.Lt(&want)
}

// next returns the sender's first transaction if it is the one with that nonce.
func (p *pool) next(sender address, nonce uint64) *transaction {
	if queue := p.queues[sender]; len(queue) > 0 && queue[0].nonce == nonce {
		return queue[0]
	}
	return nil
}

// pop removes the sender's first transaction.
func (p *pool) pop(sender address) {
	queue := p.queues[sender]
	delete(p.byHash, queue[0].hash)
	p.queues[sender] = queue[1:]
}

// tidy forgets senders with nothing left, once a block is made.
func (p *pool) tidy() {
	p.senders = slices.DeleteFunc(p.senders, func(a address) bool {
		if len(p.queues[a]) > 0 {
			return false
		}
		delete(p.queues, a)
		return true
	})
}

// pendingNonce is the nonce after all that can follow nonce without a gap.
func (p *pool) pendingNonce(sender address, nonce uint64) uint64 {
	for _, tx := range p.queues[sender] {
		if tx.nonce != nonce {
			break
		}
		nonce++
	}
	return nonce
}
