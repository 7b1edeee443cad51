package devchain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/holiman/uint256"
	"github.com/rs/zerolog"
)

const (
	baseFee        = 1_000_000_000 // wei, in every block
	suggestedTip   = 1_000_000_000 // wei
	safeDepth      = 32            // blocks from latest to safe
	finalizedDepth = 64

	etherEach  = 10_000        // of an account
	tokensEach = 1_000         // of an account
	hoard      = 1_000_000_000 // ether and tokens of a trader
	traders    = 4             // who make the traffic
)

// Account is a prefunded account: 10,000 ether and 1,000 tokens.
type Account struct {
	Address    [20]byte
	PrivateKey [32]byte
}

// Chain is the simulated node. It is safe for concurrent use.
type Chain struct {
	cfg      Config
	log      zerolog.Logger
	methods  map[string]method
	accounts []Account
	traders  []trader
	miner    address
	supply   uint256.Int
	step     uint64 // seconds between timestamps

	mining sync.Mutex // held while a block is made; taken before mu

	mu      sync.RWMutex // guards what follows; blocks themselves are immutable
	genesis *block
	head    *block
	ring    []*block // the newest, by number modulo its length
	byHash  map[hash]*block
	txs     map[hash]txPlace
	state   state
	pool    pool
}

type trader struct {
	address address
	key     *secp256k1.PrivateKey
}

type txPlace struct {
	block *block
	index int
}

// New makes the chain, with its first blocks.
func New(cfg Config, log zerolog.Logger) (*Chain, error) {
	var faults []error
	cfg.Validate(func(key, message string) { faults = append(faults, fmt.Errorf("%s: %s", key, message)) })
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("simulated chain: %w", err)
	}
	c := &Chain{
		cfg:     cfg,
		log:     log,
		methods: methods(),
		step:    max(1, uint64(cfg.BlockTime/time.Second)),
		ring:    make([]*block, cfg.RetainBlocks),
		byHash:  map[hash]*block{},
		txs:     map[hash]txPlace{},
		state:   state{},
		pool:    pool{byHash: map[hash]*transaction{}, queues: map[address][]*transaction{}},
	}
	miner := derive(cfg.Seed, "miner", 0)
	c.miner = address(miner[12:])
	for i := range uint64(cfg.Accounts) {
		key, a := deriveKey(cfg.Seed, "account", i)
		c.accounts = append(c.accounts, Account{Address: a, PrivateKey: [32]byte(key.Serialize())})
		c.fund(a, etherEach, tokensEach)
	}
	for i := range uint64(traders) {
		key, a := deriveKey(cfg.Seed, "trader", i)
		c.traders = append(c.traders, trader{address: a, key: key})
		c.fund(a, hoard, hoard)
	}
	c.genesis = &block{miner: c.miner, time: genesisTime, random: derive(cfg.Seed, "random", 0)}
	c.genesis.seal(derive(cfg.Seed, "state", 0))
	c.append(c.genesis)
	for range cfg.InitialBlocks {
		c.Mine()
	}
	return c, nil
}

func deriveKey(seed int64, what string, n uint64) (*secp256k1.PrivateKey, address) {
	h := derive(seed, what, n)
	key := secp256k1.PrivKeyFromBytes(h[:])
	return key, addressOf(key.PubKey())
}

func (c *Chain) fund(a address, ether, tokens uint64) {
	var funds account
	funds.balance.Mul(uint256.NewInt(ether), wei)
	funds.tokens.Mul(uint256.NewInt(tokens), wei)
	c.supply.Add(&c.supply, &funds.tokens)
	c.state.set(a, 0, 0, funds)
}

// Accounts returns the prefunded accounts.
func (c *Chain) Accounts() []Account { return append([]Account(nil), c.accounts...) }

// Mine makes one block now, whatever BlockTime is, and returns its number.
func (c *Chain) Mine() uint64 {
	c.mining.Lock()
	defer c.mining.Unlock()
	return c.mineLocked()
}

// produce makes a block every BlockTime until ctx ends.
func (c *Chain) produce(ctx context.Context) {
	if c.cfg.BlockTime == 0 {
		return
	}
	ticker := time.NewTicker(c.cfg.BlockTime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.log.Debug().Uint64("number", c.Mine()).Msg("block made")
		}
	}
}

// submit takes a transaction and, if blocks wait for one, makes the block.
func (c *Chain) submit(raw []byte) (hash, error) {
	tx, err := decodeTransaction(raw, c.cfg.ChainID)
	if err != nil {
		return hash{}, err
	}
	if err := tx.validate(); err != nil {
		return hash{}, err
	}
	if c.isTrader(tx.from) {
		return hash{}, fmt.Errorf("simulated chain: %s makes the chain's own traffic", tx.from)
	}
	c.mu.Lock()
	err = c.pool.add(tx, c.state.at(tx.from, c.head.number))
	c.mu.Unlock()
	if err != nil {
		return hash{}, err
	}
	if c.cfg.BlockTime == 0 {
		c.mineWaiting()
	}
	return tx.hash, nil
}

func (c *Chain) isTrader(a address) bool {
	return slices.ContainsFunc(c.traders, func(t trader) bool { return t.address == a })
}

// mineWaiting makes blocks until none of the transactions that wait can run.
// What came meanwhile is taken along, so that there may be nothing left to do.
func (c *Chain) mineWaiting() {
	c.mining.Lock()
	defer c.mining.Unlock()
	for c.anyDue() {
		c.mineLocked()
	}
}

func (c *Chain) anyDue() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.ContainsFunc(c.pool.senders, func(a address) bool {
		return c.pool.next(a, c.state.at(a, c.head.number).nonce) != nil
	})
}

// mineLocked makes the next block: what waits, then the traders' transfers.
// Signing the transfers is the slow part and happens while readers go on.
func (c *Chain) mineLocked() uint64 {
	c.mu.RLock()
	b := &block{
		number: c.head.number + 1,
		parent: c.head.hash,
		miner:  c.miner,
		time:   c.head.time + c.step,
		random: derive(c.cfg.Seed, "random", c.head.number+1),
	}
	parentStateRoot := c.head.stateRoot
	c.mu.RUnlock()
	traffic := c.traffic(b.number)

	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sender := range c.pool.senders {
		for len(c.pool.queues[sender]) > 0 {
			tx := c.pool.next(sender, c.state.at(sender, b.number).nonce)
			if tx == nil || b.gasUsed+tx.gas > gasLimit {
				break
			}
			c.run(b, tx)
			c.pool.pop(sender)
		}
	}
	c.pool.tidy()
	for _, tx := range traffic {
		if b.gasUsed+tx.gas <= gasLimit {
			c.run(b, tx)
		}
	}
	b.seal(parentStateRoot)
	c.append(b)
	return b.number
}

// traffic is what the traders do in a block: one to four of them pay one
// another tokens, in transactions of every kind.
func (c *Chain) traffic(height uint64) []*transaction {
	h := derive(c.cfg.Seed, "traffic", height)
	txs := make([]*transaction, 0, traders)
	for i := range 1 + uint64(h[0])%traders {
		payer := c.traders[(height+i)%traders]
		payee := c.traders[(height+i+1+uint64(h[1])%(traders-1))%traders]
		c.mu.RLock()
		has := c.state.at(payer.address, height-1)
		c.mu.RUnlock()
		var amount uint256.Int
		amount.SetBytes(h[8*i : 8*i+8]) // under 20 tokens
		if has.tokens.Lt(&amount) {
			amount = has.tokens
		}
		tx := &transaction{
			kind:  byte((height + i) % 3),
			nonce: has.nonce,
			gas:   baseGas + 16*68 + tokenGas, // 68 bytes of calldata
			to:    &tokenAddress,
			data:  transferCall(payee.address, &amount),
		}
		tx.chainID.SetUint64(c.cfg.ChainID)
		tx.tip.SetUint64((1 + i) * suggestedTip)
		tx.feeCap.SetUint64(2*baseFee + (1+i)*suggestedTip)
		if tx.kind != dynamicFeeTx {
			tx.tip.SetUint64(baseFee + (1+i)*suggestedTip)
			tx.feeCap = tx.tip
		}
		tx.sign(payer.key)
		txs = append(txs, tx)
	}
	return txs
}

// append makes b the head and forgets the block that falls off the other end.
func (c *Chain) append(b *block) {
	place := &c.ring[b.number%uint64(len(c.ring))]
	if old := *place; old != nil && old != c.genesis {
		delete(c.byHash, old.hash)
		for _, tx := range old.txs {
			delete(c.txs, tx.hash)
		}
	}
	*place = b
	c.byHash[b.hash] = b
	for i, tx := range b.txs {
		c.txs[tx.hash] = txPlace{block: b, index: i}
	}
	c.head = b
}

// oldestAt is the number of the oldest block that is kept, besides genesis, when
// head is the newest.
func (c *Chain) oldestAt(head uint64) uint64 {
	if n := uint64(len(c.ring)); head >= n {
		return head - n + 1
	}
	return 0
}
