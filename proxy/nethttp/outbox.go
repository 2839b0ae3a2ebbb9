package nethttp

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

const (
	// mostPending bounds what an outbox holds, in bytes; who wants to write more waits.
	mostPending = 32 << 10
	// largePiece is how large a piece is that is not worth a copy, in bytes.
	largePiece = 8 << 10
)

// outbox gathers what goes out by one connection of HTTP/2. net/http writes each head,
// each piece of a body and each trailer section by itself, for every request that
// shares the connection; here they wait until everybody who is about to write has
// done so, and go out together: with one system call and in one record of TLS.
//
// What is written is on its way, not sent: a failure closes the connection, so that
// its reader learns of it, and is told to whoever writes next.
type outbox struct {
	conn net.Conn
	// within is how long the other side may take nothing of a piece; 0 is no bound.
	within time.Duration
	done   chan struct{} // closed when the connection is

	mu      sync.Mutex
	change  sync.Cond // of what follows
	pending *[]byte   // nil for nothing
	sending bool      // a goroutine is about to write, or does
	armed   time.Time // the deadline that is set
	until   time.Time // when all has to be over; zero for never
	err     error     // of a write
	closed  bool      // nobody may write any more
	ended   bool      // the connection is closed, or about to be
}

// pieces lends space to outboxes that have something to send.
var pieces = sync.Pool{New: func() any {
	b := make([]byte, 0, mostPending)
	return &b
}}

func newOutbox(c net.Conn, within time.Duration) *outbox {
	o := &outbox{conn: c, within: within, done: make(chan struct{})}
	o.change.L = &o.mu
	return o
}

// write takes p, and waits for room if there is none.
func (o *outbox) write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		switch {
		case o.err != nil:
			return 0, o.err
		case o.closed:
			return 0, net.ErrClosed
		case !o.sending && len(p) >= largePiece:
			return o.writeLocked(p)
		case len(p) <= mostPending-o.lengthLocked():
			o.addLocked(p)
			return len(p), nil
		}
		o.change.Wait()
	}
}

func (o *outbox) lengthLocked() int {
	if o.pending == nil {
		return 0
	}
	return len(*o.pending)
}

// addLocked has p sent with what others write.
func (o *outbox) addLocked(p []byte) {
	if o.pending == nil {
		o.pending = pieces.Get().(*[]byte)
	}
	*o.pending = append(*o.pending, p...)
	if !o.sending {
		o.sending = true
		go o.send()
	}
}

// writeLocked writes p by itself, and leaves what others write meanwhile to a goroutine.
func (o *outbox) writeLocked(p []byte) (int, error) {
	o.sending = true
	o.passLocked(p)
	if o.pending == nil && !o.closed {
		o.sending = false
		o.change.Broadcast()
	} else {
		go o.send()
	}
	if o.err != nil {
		return 0, o.err
	}
	return len(p), nil
}

// send sends until nothing is left.
func (o *outbox) send() {
	for {
		runtime.Gosched() // those who are about to write do so first
		o.mu.Lock()
		b := o.pending
		if b == nil {
			break
		}
		o.pending = nil
		o.change.Broadcast()
		if o.err == nil {
			o.passLocked(*b)
		}
		*b = (*b)[:0]
		pieces.Put(b)
		o.mu.Unlock()
	}
	o.sending = false
	o.change.Broadcast()
	end := o.closed
	o.mu.Unlock()
	if end {
		_ = o.end() // nobody is left to be told
	}
}

// passLocked writes to the connection, without the lock.
func (o *outbox) passLocked(p []byte) {
	err := o.armLocked()
	for err == nil && len(p) > 0 {
		var n int
		o.mu.Unlock()
		n, err = o.conn.Write(p)
		o.mu.Lock()
		if p = p[max(0, n):]; n > 0 && errors.Is(err, os.ErrDeadlineExceeded) { // it takes something
			err = o.armLocked()
		}
	}
	if err == nil || o.err != nil {
		return
	}
	o.err = err
	o.change.Broadcast()
	o.mu.Unlock()
	_ = o.end() // there is an error to report already
	o.mu.Lock()
}

// armLocked lets the other side take nothing for a while from now, give or take a
// quarter.
func (o *outbox) armLocked() error {
	if o.within <= 0 && o.until.IsZero() {
		return nil
	}
	now := time.Now()
	if !o.until.IsZero() && !now.Before(o.until) {
		return os.ErrDeadlineExceeded
	}
	if o.within > 0 && o.armed.Sub(now) < o.within-o.within/4 {
		return o.deadlineLocked(now.Add(o.within))
	}
	return nil
}

// deadlineLocked sets a deadline, no later than until.
func (o *outbox) deadlineLocked(by time.Time) error {
	if !o.until.IsZero() && by.After(o.until) {
		by = o.until
	}
	o.armed = by
	return o.conn.SetWriteDeadline(by)
}

// hurry bounds the time in which all that is left must be sent.
func (o *outbox) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hurryLocked()
}

func (o *outbox) hurryLocked() {
	if o.until.IsZero() {
		o.until = time.Now().Add(goodbye)
		_ = o.deadlineLocked(o.until) // fails on a closed connection only
	}
}

// close closes the connection once what has been written is sent, or can't be. It
// does not wait for that.
func (o *outbox) close() error {
	o.mu.Lock()
	o.closed = true
	o.change.Broadcast()
	if o.sending {
		o.hurryLocked()
		o.mu.Unlock()
		_ = o.conn.SetReadDeadline(past) // whoever reads is through; fails on a closed connection only
		return nil
	}
	o.mu.Unlock()
	return o.end()
}

// end closes the connection.
func (o *outbox) end() error {
	o.mu.Lock()
	ended := o.ended
	o.ended = true
	o.mu.Unlock()
	if ended {
		return nil
	}
	defer close(o.done)
	return o.conn.Close()
}
