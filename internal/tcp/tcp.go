// Package tcp provides the TCP connections of the relay path, on both sides of
// the gateway: listeners for its servers and dialled connections for its
// upstreams. A connection is a net.Conn with one goroutine reading and one
// writing, so that everything made for package net works on top; only the way in
// which a waiting goroutine is woken differs. On Linux that is a Loop of our own
// over epoll, elsewhere package net itself.
//
// It is not a network library. Resolving names, racing addresses, binding and
// the options of sockets stay with package net; there are no other protocols, no
// file descriptors to get at and no settings. Pools, retries and HTTP belong to
// those who use it.
package tcp

import "time"

// Tick is the precision of deadlines while there are up to 4096 sockets, and
// with more of them one Tick for each 4096. A deadline is late, never early.
const Tick = 20 * time.Millisecond
