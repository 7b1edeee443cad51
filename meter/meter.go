// Package meter turns served calls into stored usage: the Recorder keeps an
// event for each call on disk before the call's answer is written, and the
// Shipper hands sealed segments of events to a Sink until they are stored.
//
// Each event reaches the Sink's storage exactly once: a segment is deleted only
// after the Sink has stored it, and a Sink stores a segment once, however often
// it is handed over. How events are laid out on disk is the job of meter/spool,
// what is stored of them that of a Sink, such as meter/embedded.
package meter

import (
	"fmt"
	"time"

	"pokt.ai/meter/spool"
)

// An Event is one JSON-RPC call as it is metered. It is the record of the spool
// under the name by which the rest of the gateway knows it.
type Event = spool.Record

// A Name is the number that Recorder.Intern gave a string.
type Name = spool.Name

// Flags are properties of a call that change no price and no total.
type Flags = spool.Flags

// Outcome says what came of a call.
type Outcome = spool.Outcome

// What package spool defines, because it is on disk, and explains.
const (
	InBatch      = spool.InBatch
	Notification = spool.Notification
	Retried      = spool.Retried

	Answered         = spool.Answered
	RPCError         = spool.RPCError
	InvalidRequest   = spool.InvalidRequest
	Forbidden        = spool.Forbidden
	MethodNotAllowed = spool.MethodNotAllowed
	RateLimited      = spool.RateLimited
	QuotaExceeded    = spool.QuotaExceeded
	NoUpstream       = spool.NoUpstream
	UpstreamTimeout  = spool.UpstreamTimeout
	BadUpstream      = spool.BadUpstream
	Cancelled        = spool.Cancelled
	Unavailable      = spool.Unavailable
	Unauthorized     = spool.Unauthorized
)

// ErrFull is returned while there is no room for events and the policy of the
// spool is to shed.
var ErrFull = spool.ErrFull

// Config is the configuration of metering in a gateway.
type Config struct {
	Spool spool.Config `yaml:"spool"`
	Ship  ShipConfig   `yaml:"ship"`
}

// ShipConfig says how segments are handed to the sink.
type ShipConfig struct {
	// Timeout bounds one attempt at storing a segment. Default 30s; it must be
	// set.
	Timeout time.Duration `yaml:"timeout"`
	// RetryMax is the longest pause between two attempts; the first pause is
	// 100ms and each one after it twice as long, with jitter. Default 15s; it
	// must be set.
	RetryMax time.Duration `yaml:"retry_max"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		Spool: spool.DefaultConfig(),
		Ship:  ShipConfig{Timeout: 30 * time.Second, RetryMax: 15 * time.Second},
	}
}

// Validate reports every fault with the key it is in.
func (c Config) Validate(report func(key, message string)) {
	c.Spool.Validate(func(key, message string) { report("spool."+key, message) })
	if c.Ship.Timeout <= 0 {
		report("ship.timeout", "must be positive")
	}
	if c.Ship.RetryMax < retryMin {
		report("ship.retry_max", fmt.Sprintf("must be at least %s", retryMin))
	}
}
