package devchain

// appendJSON appends the transaction as JSON-RPC shows it; b is nil while it
// waits for a block.
func (tx *transaction) appendJSON(dst []byte, b *block, index int) []byte {
	if b == nil {
		dst = append(dst, `{"blockHash":null,"blockNumber":null,"transactionIndex":null`...)
		dst = appendIntField(dst, `,"gasPrice":`, &tx.feeCap)
	} else {
		dst = appendDataField(dst, `{"blockHash":`, b.hash[:])
		dst = appendQuantityField(dst, `,"blockNumber":`, b.number)
		dst = appendQuantityField(dst, `,"transactionIndex":`, uint64(index))
		dst = appendIntField(dst, `,"gasPrice":`, &b.receipts[index].price)
	}
	dst = appendQuantityField(dst, `,"type":`, uint64(tx.kind))
	dst = appendIntField(dst, `,"chainId":`, &tx.chainID)
	dst = appendQuantityField(dst, `,"nonce":`, tx.nonce)
	dst = appendQuantityField(dst, `,"gas":`, tx.gas)
	dst = appendDataField(dst, `,"from":`, tx.from[:])
	dst = appendDataField(dst, `,"to":`, tx.to[:]) // creations are refused
	dst = appendIntField(dst, `,"value":`, &tx.value)
	dst = appendDataField(dst, `,"input":`, tx.data)
	if tx.kind == dynamicFeeTx {
		dst = appendIntField(dst, `,"maxFeePerGas":`, &tx.feeCap)
		dst = appendIntField(dst, `,"maxPriorityFeePerGas":`, &tx.tip)
	}
	if tx.kind != legacyTx {
		dst = appendAccessList(append(dst, `,"accessList":`...), tx.accessList)
		dst = appendIntField(dst, `,"yParity":`, &tx.v)
	}
	dst = appendIntField(dst, `,"v":`, &tx.v)
	dst = appendIntField(dst, `,"r":`, &tx.r)
	dst = appendIntField(dst, `,"s":`, &tx.s)
	dst = appendDataField(dst, `,"hash":`, tx.hash[:])
	return append(dst, '}')
}

func appendAccessList(dst []byte, list []accessTuple) []byte {
	dst = append(dst, '[')
	for i, t := range list {
		dst = appendComma(dst, i)
		dst = appendDataField(dst, `{"address":`, t.Address[:])
		dst = append(dst, `,"storageKeys":[`...)
		for j, key := range t.StorageKeys {
			dst = appendHex(appendComma(dst, j), key[:])
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, ']')
}

// appendComma separates the i-th element of an array from the one before.
func appendComma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}
