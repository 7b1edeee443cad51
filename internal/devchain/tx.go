package devchain

import (
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/holiman/uint256"
)

// Kinds of transactions: EIP-155, EIP-2930 and EIP-1559.
const (
	legacyTx     = 0
	accessListTx = 1
	dynamicFeeTx = 2
)

// transaction is immutable once decoded or signed.
type transaction struct {
	kind       byte
	chainID    uint256.Int
	nonce      uint64
	tip        uint256.Int // maxPriorityFeePerGas; the gas price where there is no such thing
	feeCap     uint256.Int // maxFeePerGas; likewise
	gas        uint64
	to         *address // nil creates a contract
	value      uint256.Int
	data       []byte
	accessList []accessTuple
	v, r, s    uint256.Int

	hash hash
	from address
	raw  []byte
}

type accessTuple struct {
	Address     address `json:"address"`
	StorageKeys []hash  `json:"storageKeys"`
}

var errUnprotected = errors.New("only replay-protected (EIP-155) transactions allowed over RPC")

// decodeTransaction reads what eth_sendRawTransaction carries and recovers its
// sender. Errors are worded as geth words them.
func decodeTransaction(raw []byte, chainID uint64) (*transaction, error) {
	tx := &transaction{raw: raw, hash: keccak(raw)}
	body := raw
	if len(raw) > 0 && raw[0] < 0xc0 {
		tx.kind, body = raw[0], raw[1:]
		if tx.kind != accessListTx && tx.kind != dynamicFeeTx {
			return nil, errors.New("transaction type not supported")
		}
	}
	outer := rlpReader{rest: body}
	in := outer.list()
	if err := outer.end(); err != nil {
		return nil, err
	}
	if err := tx.decodeFields(&in); err != nil {
		return nil, err
	}
	if err := tx.recover(chainID); err != nil {
		return nil, err
	}
	return tx, nil
}

func (tx *transaction) decodeFields(in *rlpReader) error {
	if tx.kind != legacyTx {
		tx.chainID = in.int()
	}
	tx.nonce = in.uint()
	tx.tip = in.int()
	tx.feeCap = tx.tip
	if tx.kind == dynamicFeeTx {
		tx.feeCap = in.int()
	}
	tx.gas = in.uint()
	if to := in.bytes(); len(to) == len(address{}) {
		tx.to = (*address)(to)
	} else if len(to) > 0 {
		in.fail()
	}
	tx.value = in.int()
	tx.data = in.bytes()
	if tx.kind != legacyTx {
		list := in.list()
		for list.more() {
			tuple := list.list()
			var t accessTuple
			tuple.fixed(t.Address[:])
			keys := tuple.list()
			for keys.more() {
				var key hash
				keys.fixed(key[:])
				t.StorageKeys = append(t.StorageKeys, key)
			}
			if err := errors.Join(keys.end(), tuple.end()); err != nil {
				return errRLP
			}
			tx.accessList = append(tx.accessList, t)
		}
		if err := list.end(); err != nil {
			return err
		}
	}
	tx.v, tx.r, tx.s = in.int(), in.int(), in.int()
	return in.end()
}

// recover sets from, and chainID where it is part of v.
func (tx *transaction) recover(chainID uint64) error {
	parity := tx.v
	if tx.kind == legacyTx {
		if tx.v.LtUint64(35) {
			if tx.v.Eq(uint256.NewInt(27)) || tx.v.Eq(uint256.NewInt(28)) {
				return errUnprotected
			}
			return errors.New("invalid sender: invalid transaction v, r, s values")
		}
		parity.SubUint64(&tx.v, 35)
		tx.chainID.Rsh(&parity, 1)
		parity.And(&parity, uint256.NewInt(1))
	}
	if !tx.chainID.Eq(uint256.NewInt(chainID)) {
		return fmt.Errorf("invalid sender: invalid chain id for signer: have %s want %d", tx.chainID.Dec(), chainID)
	}
	r, s := tx.r.Bytes32(), tx.s.Bytes32()
	var scalar secp256k1.ModNScalar
	overflow := scalar.SetBytes(&s)
	// EIP-2: of the two values of s that verify, only the lower is taken.
	if overflow != 0 || scalar.IsOverHalfOrder() || !parity.LtUint64(2) {
		return errors.New("invalid sender: invalid transaction v, r, s values")
	}
	var compact [65]byte
	compact[0] = 27 + byte(parity.Uint64())
	copy(compact[1:], r[:])
	copy(compact[33:], s[:])
	digest := tx.signingHash()
	key, _, err := ecdsa.RecoverCompact(compact[:], digest[:])
	if err != nil {
		return errors.New("invalid sender: invalid transaction v, r, s values")
	}
	tx.from = addressOf(key)
	return nil
}

// sign fills in the signature and what follows from it.
func (tx *transaction) sign(key *secp256k1.PrivateKey) {
	digest := tx.signingHash()
	compact := ecdsa.SignCompact(key, digest[:], false)
	tx.v.SetUint64(uint64(compact[0] - 27))
	if tx.kind == legacyTx {
		var twice uint256.Int
		tx.v.Add(&tx.v, twice.Lsh(&tx.chainID, 1))
		tx.v.AddUint64(&tx.v, 35)
	}
	tx.r.SetBytes(compact[1:33])
	tx.s.SetBytes(compact[33:])
	fields := tx.appendFields(nil)
	fields = appendRLPInt(fields, &tx.v)
	fields = appendRLPInt(fields, &tx.r)
	fields = appendRLPInt(fields, &tx.s)
	tx.raw = tx.envelope(fields)
	tx.hash = keccak(tx.raw)
	tx.from = addressOf(key.PubKey())
}

func (tx *transaction) signingHash() hash {
	fields := tx.appendFields(nil)
	if tx.kind == legacyTx {
		fields = appendRLPInt(fields, &tx.chainID)
		fields = append(fields, 0x80, 0x80)
	}
	return keccak(tx.envelope(fields))
}

// appendFields appends all that the signature covers in every kind.
func (tx *transaction) appendFields(dst []byte) []byte {
	if tx.kind != legacyTx {
		dst = appendRLPInt(dst, &tx.chainID)
	}
	dst = appendRLPUint(dst, tx.nonce)
	dst = appendRLPInt(dst, &tx.tip)
	if tx.kind == dynamicFeeTx {
		dst = appendRLPInt(dst, &tx.feeCap)
	}
	dst = appendRLPUint(dst, tx.gas)
	if tx.to == nil {
		dst = append(dst, 0x80)
	} else {
		dst = appendRLPBytes(dst, tx.to[:])
	}
	dst = appendRLPInt(dst, &tx.value)
	dst = appendRLPBytes(dst, tx.data)
	if tx.kind == legacyTx {
		return dst
	}
	var list []byte
	for _, t := range tx.accessList {
		var keys []byte
		for _, k := range t.StorageKeys {
			keys = appendRLPBytes(keys, k[:])
		}
		list = appendRLPList(list, appendRLPList(appendRLPBytes(nil, t.Address[:]), keys))
	}
	return appendRLPList(dst, list)
}

// envelope makes fields a list and, where there is one, puts the type before
// it (EIP-2718).
func (tx *transaction) envelope(fields []byte) []byte {
	if tx.kind == legacyTx {
		return appendRLPList(nil, fields)
	}
	return appendRLPList([]byte{tx.kind}, fields)
}

// price is what a unit of gas costs the sender in a block of that base fee.
func (tx *transaction) price(baseFee *uint256.Int) uint256.Int {
	var p uint256.Int
	if _, overflow := p.AddOverflow(baseFee, &tx.tip); overflow || p.Gt(&tx.feeCap) {
		return tx.feeCap
	}
	return p
}

// cost is the most that the transaction can take from its sender.
func (tx *transaction) cost() (*uint256.Int, bool) {
	fee, overflow := new(uint256.Int).MulOverflow(&tx.feeCap, uint256.NewInt(tx.gas))
	if overflow {
		return nil, false
	}
	_, overflow = fee.AddOverflow(fee, &tx.value)
	return fee, !overflow
}

func addressOf(key *secp256k1.PublicKey) address {
	h := keccak(key.SerializeUncompressed()[1:])
	return address(h[12:])
}

const (
	baseGas              = 21_000
	accessListAddressGas = 2_400
	accessListKeyGas     = 1_900
)

// intrinsicGas is what a transaction costs before anything runs (EIP-2028,
// EIP-2930).
func intrinsicGas(data []byte, list []accessTuple) uint64 {
	gas := uint64(baseGas)
	for _, b := range data {
		if b == 0 {
			gas += 4
		} else {
			gas += 16
		}
	}
	for _, t := range list {
		gas += accessListAddressGas + accessListKeyGas*uint64(len(t.StorageKeys))
	}
	return gas
}
