package devchain

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// methods is everything that the node answers.
func methods() map[string]method {
	return map[string]method{
		"web3_clientVersion": {0, 0, func(_ *Chain, dst []byte, _ []json.RawMessage) ([]byte, error) {
			return append(dst, `"`+clientVersion+`"`...), nil
		}},
		"net_version": {0, 0, func(c *Chain, dst []byte, _ []json.RawMessage) ([]byte, error) {
			return append(strconv.AppendUint(append(dst, '"'), c.cfg.ChainID, 10), '"'), nil
		}},
		"net_listening": {0, 0, func(_ *Chain, dst []byte, _ []json.RawMessage) ([]byte, error) {
			return append(dst, "true"...), nil
		}},
		"eth_syncing": {0, 0, func(_ *Chain, dst []byte, _ []json.RawMessage) ([]byte, error) {
			return append(dst, "false"...), nil
		}},
		"eth_chainId": {0, 0, func(c *Chain, dst []byte, _ []json.RawMessage) ([]byte, error) {
			return appendQuantity(dst, c.cfg.ChainID), nil
		}},
		"eth_gasPrice": {0, 0, func(_ *Chain, dst []byte, _ []json.RawMessage) ([]byte, error) {
			return appendQuantity(dst, baseFee+suggestedTip), nil
		}},
		"eth_maxPriorityFeePerGas": {0, 0, func(_ *Chain, dst []byte, _ []json.RawMessage) ([]byte, error) {
			return appendQuantity(dst, suggestedTip), nil
		}},
		"eth_feeHistory":  {2, 3, (*Chain).feeHistory},
		"eth_blockNumber": {0, 0, (*Chain).blockNumber},

		"eth_accounts":            {0, 0, (*Chain).listAccounts},
		"eth_getBalance":          {1, 2, (*Chain).getBalance},
		"eth_getTransactionCount": {1, 2, (*Chain).getTransactionCount},
		"eth_getCode":             {1, 2, (*Chain).getCode},
		"eth_getStorageAt":        {2, 3, (*Chain).getStorageAt},
		"eth_call":                {1, 2, (*Chain).ethCall},
		"eth_estimateGas":         {1, 2, (*Chain).estimateGas},

		"eth_getBlockByNumber":                    {1, 2, (*Chain).getBlock},
		"eth_getBlockByHash":                      {1, 2, byHash((*Chain).getBlock)},
		"eth_getBlockTransactionCountByNumber":    {1, 1, (*Chain).countTransactions},
		"eth_getBlockTransactionCountByHash":      {1, 1, byHash((*Chain).countTransactions)},
		"eth_getTransactionByBlockNumberAndIndex": {2, 2, (*Chain).getTransactionAt},
		"eth_getTransactionByBlockHashAndIndex":   {2, 2, byHash((*Chain).getTransactionAt)},
		"eth_getTransactionByHash":                {1, 1, (*Chain).getTransaction},
		"eth_getTransactionReceipt":               {1, 1, (*Chain).getReceipt},
		"eth_getBlockReceipts":                    {1, 1, (*Chain).getBlockReceipts},
		"eth_getLogs":                             {1, 1, (*Chain).getLogs},
		"eth_sendRawTransaction":                  {1, 1, (*Chain).sendRawTransaction},
	}
}

func (c *Chain) blockNumber(dst []byte, _ []json.RawMessage) ([]byte, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return appendQuantity(dst, c.head.number), nil
}

func (c *Chain) listAccounts(dst []byte, _ []json.RawMessage) ([]byte, error) {
	dst = append(dst, '[')
	for i, a := range c.accounts {
		dst = appendHex(appendComma(dst, i), a.Address[:])
	}
	return append(dst, ']'), nil
}

// accountAt returns the account named by the first argument, in the block named
// by the i-th.
func (c *Chain) accountAt(args []json.RawMessage, i int) (address, account, error) {
	a, err := argument[address](args, 0)
	if err != nil {
		return a, account{}, err
	}
	at, err := argument[blockRef](args, i)
	if err != nil {
		return a, account{}, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	height, err := c.heightLocked(at)
	if err != nil {
		return a, account{}, err
	}
	now := c.state.at(a, height)
	if at.tag == "pending" {
		now.nonce = c.pool.pendingNonce(a, now.nonce)
	}
	return a, now, nil
}

func (c *Chain) getBalance(dst []byte, args []json.RawMessage) ([]byte, error) {
	_, has, err := c.accountAt(args, 1)
	return appendQuantityInt(dst, &has.balance), err
}

func (c *Chain) getTransactionCount(dst []byte, args []json.RawMessage) ([]byte, error) {
	_, has, err := c.accountAt(args, 1)
	return appendQuantity(dst, has.nonce), err
}

func (c *Chain) getCode(dst []byte, args []json.RawMessage) ([]byte, error) {
	a, _, err := c.accountAt(args, 1)
	if a == tokenAddress {
		return appendHex(dst, tokenCode), err
	}
	return appendHex(dst, nil), err
}

func (c *Chain) getStorageAt(dst []byte, args []json.RawMessage) ([]byte, error) {
	a, _, err := c.accountAt(args, 2)
	if err != nil {
		return dst, err
	}
	if _, err := argument[slot](args, 1); err != nil {
		return dst, err
	}
	if a == tokenAddress {
		return dst, errors.New("simulated chain: the built-in contract has no storage slots")
	}
	return appendHex(dst, make([]byte, 32)), nil
}

// slot is a storage key: up to 32 bytes, as QUANTITY or DATA.
type slot struct{}

func (*slot) UnmarshalJSON(b []byte) error {
	digits, err := hexDigits(b)
	if err == nil && len(digits) > 64 {
		return errors.New("storage key too long (want at most 32 bytes)")
	}
	if strings.Trim(string(digits), "0123456789abcdefABCDEF") != "" {
		return errors.New("unable to decode storage key: invalid hex string")
	}
	return err
}

func (c *Chain) sendRawTransaction(dst []byte, args []json.RawMessage) ([]byte, error) {
	raw, err := argument[hexBytes](args, 0)
	if err != nil {
		return dst, err
	}
	h, err := c.submit(raw)
	return appendHex(dst, h[:]), err
}
