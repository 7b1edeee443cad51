package devchain

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/holiman/uint256"
)

// callArgs is the object of eth_call and eth_estimateGas.
type callArgs struct {
	From         address          `json:"from"`
	To           *address         `json:"to"`
	Gas          *quantity        `json:"gas"`
	GasPrice     quantity         `json:"gasPrice"`
	MaxFeePerGas quantity         `json:"maxFeePerGas"`
	Value        quantity         `json:"value"`
	Data         hexBytes         `json:"data"`
	Input        hexBytes         `json:"input"`
	AccessList   []accessTuple    `json:"accessList"`
	Blobs        *json.RawMessage `json:"blobVersionedHashes"`
	Delegations  *json.RawMessage `json:"authorizationList"`
}

func (a *callArgs) message() (*message, error) {
	switch {
	case a.To == nil:
		return nil, errNoCreation
	case isPrecompile(*a.To):
		return nil, errNoPrecompiles
	case a.Blobs != nil || a.Delegations != nil:
		return nil, errors.New("simulated chain: blob and set-code transactions are not supported")
	case a.Data != nil && a.Input != nil && string(a.Data) != string(a.Input):
		return nil, errors.New(`both "data" and "input" are set and not equal. Please use "input" to pass transaction call data`)
	}
	m := &message{from: a.From, to: *a.To, value: a.Value.Int, data: a.Input, list: a.AccessList}
	if a.Input == nil {
		m.data = a.Data
	}
	return m, nil
}

// simulate runs the call of the arguments and returns its output and the gas
// that it takes. A revert is an error with its data.
func (c *Chain) simulate(args []json.RawMessage) ([]byte, uint64, error) {
	var in callArgs
	if err := json.Unmarshal(args[0], &in); err != nil {
		return nil, 0, invalidArgument("invalid argument 0: %v", err)
	}
	at, err := argument[blockRef](args, 1)
	if err != nil {
		return nil, 0, err
	}
	m, err := in.message()
	if err != nil {
		return nil, 0, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	height, err := c.heightLocked(at)
	if err != nil {
		return nil, 0, err
	}
	limit := uint64(gasLimit)
	if in.Gas != nil && in.Gas.LtUint64(limit) {
		limit = in.Gas.Uint64()
	}
	if err := in.affordable(c.state.at(in.From, height), limit); err != nil {
		return nil, 0, err
	}
	out, gas := c.call(m, height)
	switch {
	case gas > limit:
		return nil, 0, fmt.Errorf("out of gas: gas %d, needed %d", limit, gas)
	case out.reason != "":
		return nil, 0, &rpcError{code: codeReverted, message: "execution reverted: " + out.reason, data: out.output}
	case out.reverted:
		return nil, 0, &rpcError{code: codeReverted, message: "execution reverted", data: []byte{}}
	}
	return out.output, gas, nil
}

func (a *callArgs) affordable(has account, limit uint64) error {
	price := a.MaxFeePerGas.Int
	if price.IsZero() {
		price = a.GasPrice.Int
	}
	want, overflow := new(uint256.Int).MulOverflow(&price, uint256.NewInt(limit))
	if !overflow {
		_, overflow = want.AddOverflow(want, &a.Value.Int)
	}
	if overflow || has.balance.Lt(want) {
		return fmt.Errorf("%w: address %s have %s want %s", errInsufficientFunds, a.From, has.balance.Dec(), want.Dec())
	}
	return nil
}

func (c *Chain) ethCall(dst []byte, args []json.RawMessage) ([]byte, error) {
	out, _, err := c.simulate(args)
	return appendHex(dst, out), err
}

func (c *Chain) estimateGas(dst []byte, args []json.RawMessage) ([]byte, error) {
	_, gas, err := c.simulate(args)
	return appendQuantity(dst, gas), err
}
