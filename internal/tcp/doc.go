// Package tcp provides the TCP connections of the relay path, on both sides of
// the gateway.
package tcp
