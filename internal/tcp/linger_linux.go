package tcp

import (
	"time"

	"golang.org/x/sys/unix"
)

// A connection that is closed before all of its input was read is reset by the
// kernel, and the reset may overtake the answer. To linger is to send the end of
// the stream first and to read on for a while.
const (
	lingerTime  = time.Second
	lingerBytes = 16 << 20
	lingerMax   = 128 // connections at once; those above are closed at once
)

// Linger makes Close end the output, then read and drop what the peer still
// sends, for at most a second and 16 MiB, and close only then. Close does not
// wait for that. It is for a server that answers a request without having read
// all of it.
func (c *Conn) Linger() { c.linger.Store(true) }

// drain takes over fd of a closed socket, unless it returns false.
func (l *Loop) drain(fd int) bool {
	select {
	case l.lingering <- struct{}{}:
	default:
		return false
	}
	// A new Conn, because the goroutines of the old one may still be on their
	// way to learn that it is closed.
	c := new(Conn)
	if unix.Shutdown(fd, unix.SHUT_WR) != nil || c.open(l, fd, unix.EPOLL_CTL_MOD) != nil {
		<-l.lingering
		return false
	}
	go func() {
		defer func() { <-l.lingering }()
		defer c.close()
		c.read.deadline.Store(l.instant(time.Now().Add(lingerTime)))
		buf := make([]byte, 16<<10)
		for dropped := 0; dropped < lingerBytes; {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			dropped += n
		}
	}()
	return true
}
