package devchain

import "github.com/holiman/uint256"

const (
	gasLimit    = 30_000_000
	genesisTime = 1_735_689_600 // 2025-01-01T00:00:00Z
	extraData   = "poktai simulated chain"
)

// emptyUncles is the hash of an empty list of uncles.
var emptyUncles = keccak([]byte{0xc0})

// block is immutable once sealed. Its header is London's: no withdrawals, no
// blobs.
type block struct {
	number      uint64
	parent      hash
	miner       address
	stateRoot   hash // derived, not the root of anything
	txRoot      hash
	receipts    []receipt
	receiptRoot hash
	bloom       bloom
	gasUsed     uint64
	time        uint64
	random      hash // mixHash since the merge
	txs         []*transaction

	hash hash
	size uint64
}

// receipt is what became of the transaction with the same index.
type receipt struct {
	succeeded     bool
	gasUsed       uint64
	cumulativeGas uint64
	price         uint256.Int
	logs          []logEntry
	firstLog      int // index in the block of logs[0]
	bloom         bloom
}

type logEntry struct {
	address address
	topics  []hash
	data    []byte
}

// bloom has three bits set for every address and topic of some logs.
type bloom [256]byte

func (b *bloom) add(item []byte) {
	h := keccak(item)
	for i := 0; i < 6; i += 2 {
		bit := (uint(h[i])<<8 | uint(h[i+1])) & 2047
		b[255-bit/8] |= 1 << (bit % 8)
	}
}

func (b *bloom) merge(other *bloom) {
	for i := range b {
		b[i] |= other[i]
	}
}

// include adds a transaction that has run.
func (b *block) include(tx *transaction, r receipt) {
	if n := len(b.receipts); n > 0 {
		r.firstLog = b.receipts[n-1].firstLog + len(b.receipts[n-1].logs)
	}
	for _, l := range r.logs {
		r.bloom.add(l.address[:])
		for _, topic := range l.topics {
			r.bloom.add(topic[:])
		}
	}
	b.gasUsed += r.gasUsed
	r.cumulativeGas = b.gasUsed
	b.bloom.merge(&r.bloom)
	b.txs = append(b.txs, tx)
	b.receipts = append(b.receipts, r)
}

// seal computes the roots and the hash.
func (b *block) seal(parentStateRoot hash) {
	txs, receipts := make([][]byte, len(b.txs)), make([][]byte, len(b.txs))
	var body []byte
	for i, tx := range b.txs {
		txs[i], receipts[i] = tx.raw, b.receipts[i].encode(tx.kind)
		if tx.kind == legacyTx {
			body = append(body, tx.raw...)
		} else {
			body = appendRLPBytes(body, tx.raw)
		}
	}
	b.txRoot, b.receiptRoot = listRoot(txs), listRoot(receipts)
	b.stateRoot = keccak(parentStateRoot[:], b.txRoot[:], b.receiptRoot[:])
	header := b.encodeHeader()
	b.hash = keccak(header)
	whole := append(appendRLPList(header, body), 0xc0)
	b.size = uint64(len(appendRLPList(nil, whole)))
}

func (b *block) encodeHeader() []byte {
	f := appendRLPBytes(nil, b.parent[:])
	f = appendRLPBytes(f, emptyUncles[:])
	f = appendRLPBytes(f, b.miner[:])
	f = appendRLPBytes(f, b.stateRoot[:])
	f = appendRLPBytes(f, b.txRoot[:])
	f = appendRLPBytes(f, b.receiptRoot[:])
	f = appendRLPBytes(f, b.bloom[:])
	f = appendRLPUint(f, 0) // difficulty, since the merge
	f = appendRLPUint(f, b.number)
	f = appendRLPUint(f, gasLimit)
	f = appendRLPUint(f, b.gasUsed)
	f = appendRLPUint(f, b.time)
	f = appendRLPBytes(f, []byte(extraData))
	f = appendRLPBytes(f, b.random[:])
	f = appendRLPBytes(f, make([]byte, 8)) // nonce, since the merge
	f = appendRLPUint(f, baseFee)
	return appendRLPList(nil, f)
}

func (r *receipt) encode(kind byte) []byte {
	var f []byte
	if r.succeeded {
		f = appendRLPUint(f, 1)
	} else {
		f = appendRLPUint(f, 0)
	}
	f = appendRLPUint(f, r.cumulativeGas)
	f = appendRLPBytes(f, r.bloom[:])
	var logs []byte
	for _, l := range r.logs {
		var topics []byte
		for _, topic := range l.topics {
			topics = appendRLPBytes(topics, topic[:])
		}
		entry := appendRLPList(appendRLPBytes(nil, l.address[:]), topics)
		logs = appendRLPList(logs, appendRLPBytes(entry, l.data))
	}
	f = appendRLPList(f, logs)
	if kind == legacyTx {
		return appendRLPList(nil, f)
	}
	return appendRLPList([]byte{kind}, f)
}

// appendJSON appends the block with its transactions, or with their hashes.
func (b *block) appendJSON(dst []byte, full bool) []byte {
	dst = appendQuantityField(dst, `{"number":`, b.number)
	dst = appendDataField(dst, `,"hash":`, b.hash[:])
	dst = appendDataField(dst, `,"parentHash":`, b.parent[:])
	dst = appendDataField(dst, `,"sha3Uncles":`, emptyUncles[:])
	dst = appendDataField(dst, `,"miner":`, b.miner[:])
	dst = appendDataField(dst, `,"stateRoot":`, b.stateRoot[:])
	dst = appendDataField(dst, `,"transactionsRoot":`, b.txRoot[:])
	dst = appendDataField(dst, `,"receiptsRoot":`, b.receiptRoot[:])
	dst = appendDataField(dst, `,"logsBloom":`, b.bloom[:])
	dst = appendQuantityField(dst, `,"gasLimit":`, gasLimit)
	dst = appendQuantityField(dst, `,"gasUsed":`, b.gasUsed)
	dst = appendQuantityField(dst, `,"timestamp":`, b.time)
	dst = appendDataField(dst, `,"extraData":`, []byte(extraData))
	dst = appendDataField(dst, `,"mixHash":`, b.random[:])
	dst = appendQuantityField(dst, `,"baseFeePerGas":`, baseFee)
	dst = appendQuantityField(dst, `,"size":`, b.size)
	dst = append(dst, `,"difficulty":"0x0","nonce":"0x0000000000000000","uncles":[],"transactions":[`...)
	for i, tx := range b.txs {
		dst = appendComma(dst, i)
		if full {
			dst = tx.appendJSON(dst, b, i)
		} else {
			dst = appendHex(dst, tx.hash[:])
		}
	}
	return append(dst, `]}`...)
}

func (b *block) appendReceipt(dst []byte, index int) []byte {
	tx, r := b.txs[index], &b.receipts[index]
	dst = appendDataField(dst, `{"transactionHash":`, tx.hash[:])
	dst = appendQuantityField(dst, `,"transactionIndex":`, uint64(index))
	dst = appendDataField(dst, `,"blockHash":`, b.hash[:])
	dst = appendQuantityField(dst, `,"blockNumber":`, b.number)
	dst = appendDataField(dst, `,"from":`, tx.from[:])
	dst = appendDataField(dst, `,"to":`, tx.to[:])
	dst = appendQuantityField(dst, `,"cumulativeGasUsed":`, r.cumulativeGas)
	dst = appendQuantityField(dst, `,"gasUsed":`, r.gasUsed)
	dst = appendIntField(dst, `,"effectiveGasPrice":`, &r.price)
	dst = appendDataField(dst, `,"logsBloom":`, r.bloom[:])
	dst = appendQuantityField(dst, `,"type":`, uint64(tx.kind))
	if r.succeeded {
		dst = append(dst, `,"status":"0x1"`...)
	} else {
		dst = append(dst, `,"status":"0x0"`...)
	}
	dst = append(dst, `,"contractAddress":null,"logs":[`...)
	for i := range r.logs {
		dst = b.appendLog(appendComma(dst, i), index, i)
	}
	return append(dst, `]}`...)
}

// appendLog appends the i-th log of the transaction with that index.
func (b *block) appendLog(dst []byte, index, i int) []byte {
	r := &b.receipts[index]
	l := &r.logs[i]
	dst = appendDataField(dst, `{"address":`, l.address[:])
	dst = append(dst, `,"topics":[`...)
	for j, topic := range l.topics {
		dst = appendHex(appendComma(dst, j), topic[:])
	}
	dst = appendDataField(dst, `],"data":`, l.data)
	dst = appendQuantityField(dst, `,"blockNumber":`, b.number)
	dst = appendDataField(dst, `,"blockHash":`, b.hash[:])
	dst = appendQuantityField(dst, `,"blockTimestamp":`, b.time)
	dst = appendDataField(dst, `,"transactionHash":`, b.txs[index].hash[:])
	dst = appendQuantityField(dst, `,"transactionIndex":`, uint64(index))
	dst = appendQuantityField(dst, `,"logIndex":`, uint64(r.firstLog+i))
	return append(dst, `,"removed":false}`...)
}
