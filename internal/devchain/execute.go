package devchain

import "github.com/holiman/uint256"

// isPrecompile: the addresses that Ethereum gives, or may give, to contracts
// built into the EVM.
func isPrecompile(a address) bool {
	return [18]byte(a[:]) == [18]byte{} && a != address{} && a[18] < 2
}

// message is one call, from a transaction or from eth_call.
type message struct {
	from, to address
	value    uint256.Int
	data     []byte
	list     []accessTuple
}

// call returns what m comes to on the state after the block of that height,
// and the gas that it takes. Nothing is changed.
func (c *Chain) call(m *message, height uint64) (result, uint64) {
	gas := intrinsicGas(m.data, m.list)
	if m.to != tokenAddress {
		return result{}, gas // an account without code takes anything, and does nothing
	}
	tokens := func(a address) uint256.Int { return c.state.at(a, height).tokens }
	return callToken(m.from, &m.value, m.data, &c.supply, tokens), gas + tokenGas
}

// run applies a transaction to the state and includes it in b. The sender's
// nonce and balance have been checked.
func (c *Chain) run(b *block, tx *transaction) {
	m := &message{from: tx.from, to: *tx.to, value: tx.value, data: tx.data, list: tx.accessList}
	out, gas := c.call(m, b.number)
	r := receipt{succeeded: !out.reverted, gasUsed: gas}
	if gas > tx.gas {
		r.succeeded, r.gasUsed = false, tx.gas // out of gas
	}

	var base, used, fee uint256.Int
	base.SetUint64(baseFee)
	used.SetUint64(r.gasUsed)
	r.price = tx.price(&base)
	fee.Mul(&r.price, &used)
	c.update(b, tx.from, func(a *account) {
		a.nonce++
		a.balance.Sub(&a.balance, &fee)
	})
	c.update(b, b.miner, func(a *account) {
		var tips uint256.Int // what the base fee takes is burnt
		tips.Mul(tips.Sub(&r.price, &base), &used)
		a.balance.Add(&a.balance, &tips)
	})
	if r.succeeded {
		c.update(b, m.from, func(a *account) { a.balance.Sub(&a.balance, &m.value) })
		c.update(b, m.to, func(a *account) { a.balance.Add(&a.balance, &m.value) })
		if t := out.transfer; t != nil {
			c.update(b, t.from, func(a *account) { a.tokens.Sub(&a.tokens, &t.amount) })
			c.update(b, t.to, func(a *account) { a.tokens.Add(&a.tokens, &t.amount) })
			r.logs = []logEntry{t.log()}
		}
	}
	b.include(tx, r)
}

func (c *Chain) update(b *block, a address, change func(*account)) {
	now := c.state.at(a, b.number)
	change(&now)
	c.state.set(a, b.number, c.oldestAt(b.number), now)
}
