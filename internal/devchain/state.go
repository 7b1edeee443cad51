package devchain

import "github.com/holiman/uint256"

// account is what an address has. Tokens are those of the built-in contract.
type account struct {
	nonce   uint64
	balance uint256.Int
	tokens  uint256.Int
}

// state keeps every account as it was at the blocks that changed it, oldest
// first, as far back as blocks are kept.
type state map[address][]version

type version struct {
	height uint64
	account
}

// at returns the account after the block of that height. Most questions are
// about the newest state, so the search starts there.
func (s state) at(a address, height uint64) account {
	versions := s[a]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].height <= height {
			return versions[i].account
		}
	}
	return account{}
}

// set stores the account as it is after the block of that height, and forgets
// what no block from oldest on needs.
func (s state) set(a address, height, oldest uint64, now account) {
	versions := s[a]
	if n := len(versions); n > 0 && versions[n-1].height == height {
		versions[n-1].account = now
		return
	}
	for len(versions) > 1 && versions[1].height <= oldest {
		versions = versions[1:]
	}
	s[a] = append(versions, version{height: height, account: now})
}
