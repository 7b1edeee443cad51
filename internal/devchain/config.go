// Package devchain is a simulated EVM node, so that a first relay, the tests
// and the load tester have a chain to ask without any network. It speaks
// JSON-RPC over HTTP as geth does and produces blocks whose hashes, transaction
// roots, receipt roots, blooms and signatures verify. Everything follows from
// Config.Seed: the same seed and the same transactions give the same chain.
//
// It is not an EVM. No bytecode is executed and no state root is computed
// (a block's stateRoot is a derived number). There are plain accounts, one
// built-in contract of ERC-20's kind at
// 0xdecaf00000000000000000000000000000000001, and a few transfers of its tokens
// in every block.
// What that cannot answer is refused, by -32601 for a method and by -32000
// "simulated chain: ..." for an argument; nothing is made up. The base fee never
// moves. Blocks live in memory: a restart begins at genesis.
//
// Accounts returns the prefunded accounts. With the default seed the first two,
// known to everybody and never to be funded anywhere else, are
//
//	0x40d096540856bd9dbff67a374be24692d0c4a007 key 0x422eb73f5cada26c3bd5319e980094a65d890385dcd5cd5a48b114e21b529658
//	0x5591f8f945ae15239eeb3e2629805b2f3025b309 key 0x152bf4a439a60d039bf0454f33dac955c3ae04414535cfc5d782386919547154
package devchain

import "time"

// Config is the chain to simulate.
type Config struct {
	// Listen is the TCP address to serve on. Default 127.0.0.1:8545; empty is
	// refused.
	Listen string `yaml:"listen"`
	// ChainID is what transactions are signed for. Default 1337; 0 is refused.
	ChainID uint64 `yaml:"chain_id"`
	// Seed is where hashes, accounts and traffic come from. Default 1; 0 is a
	// seed like any other.
	Seed int64 `yaml:"seed"`
	// BlockTime is the time between blocks, of which timestamps advance by the
	// whole seconds, at least one. Default 1s; 0 makes a block only when a
	// transaction arrives or Mine is called.
	BlockTime time.Duration `yaml:"block_time"`
	// Accounts is the number of prefunded accounts. Default 10; 0 is none.
	Accounts int `yaml:"accounts"`
	// InitialBlocks is how many blocks are there at the start, so that logs,
	// safe and finalized have something to show. Default 128; 0 starts with
	// genesis alone.
	InitialBlocks int `yaml:"initial_blocks"`
	// RetainBlocks is how many of the newest blocks, and the state at them, can
	// be asked for; genesis is always kept. Default 4096; 0 is refused.
	RetainBlocks int `yaml:"retain_blocks"`
}

// DefaultConfig returns the defaults named at each field.
func DefaultConfig() Config {
	return Config{
		Listen:        "127.0.0.1:8545",
		ChainID:       1337,
		Seed:          1,
		BlockTime:     time.Second,
		Accounts:      10,
		InitialBlocks: 128,
		RetainBlocks:  4096,
	}
}

const (
	maxAccounts      = 1000
	maxInitialBlocks = 100_000
	minRetainBlocks  = finalizedDepth + 1 // finalized can always be asked for
	maxRetainBlocks  = 1 << 20
)

// Validate reports what makes the configuration unusable, by key.
func (c Config) Validate(report func(key, message string)) {
	if c.Listen == "" {
		report("listen", "must be a TCP address")
	}
	if c.ChainID == 0 {
		report("chain_id", "must not be 0")
	}
	if c.BlockTime < 0 || (c.BlockTime > 0 && c.BlockTime < time.Millisecond) {
		report("block_time", "must be 0 or at least 1ms")
	}
	if c.Accounts < 0 || c.Accounts > maxAccounts {
		report("accounts", "must be between 0 and 1000")
	}
	if c.InitialBlocks < 0 || c.InitialBlocks > maxInitialBlocks {
		report("initial_blocks", "must be between 0 and 100000")
	}
	if c.RetainBlocks < minRetainBlocks || c.RetainBlocks > maxRetainBlocks {
		report("retain_blocks", "must be between 65 and 1048576")
	}
}
