package nethttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// muxStreams is how many exchanges share a connection before another one is
	// made. The instance may allow fewer; while another can't be had, it
	// carries as many as the instance allows.
	muxStreams = 100
	// muxConns bounds the connections to one endpoint. Beyond it exchanges wait
	// for a place.
	muxConns = 64
	// muxWindow is how much of a response may be here before the client has taken
	// it, in bytes, for each exchange.
	muxWindow = 512 << 10
	// muxAge bounds how long a connection takes exchanges.
	muxAge = time.Hour
	// noTable has heads compressed without a table of those before, in bytes: requests
	// of many clients share a connection, each with values of its own, so that keeping
	// the table costs more time than it saves bytes. 0 would be the usual size.
	noTable = 1
	// muxWrite is how long an instance may take nothing at all from a connection.
	muxWrite = 30 * time.Second
)

// muxConn is a connection that many exchanges share.
type muxConn struct {
	*http.ClientConn
	born    time.Time
	retired atomic.Bool // closes with its last exchange
}

// leave closes a connection that gets no more exchanges, once it has none.
func (c *muxConn) leave() {
	c.retired.Store(true)
	c.settle(c.ClientConn)
}

// settle is called when an exchange has ended, by whoever ended it, and takes no
// lock for that reason.
func (c *muxConn) settle(cc *http.ClientConn) {
	if c.retired.Load() && cc.InFlight() == 0 {
		_ = cc.Close() // nothing is under way
	}
}

// muxPool holds the connections to one endpoint that are made in one way.
type muxPool struct {
	way *way
	std *http.Transport
	ctx context.Context // of those who dial
	end context.CancelFunc

	mu     sync.Mutex
	conns  []*muxConn
	dial   *muxDial // under way; one at a time
	closed bool
}

// muxDial is a connection in the making, for whoever waits for one.
type muxDial struct {
	done chan struct{}
	err  error // once it is closed
}

func newMuxPool(w *way) *muxPool {
	w.protos = []string{"h2"}
	p := &muxPool{way: w}
	p.ctx, p.end = context.WithCancel(context.Background())
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true) // what it is given has spoken TLS already
	p.std = &http.Transport{
		DialContext:            p.first,
		DisableCompression:     true,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHead,
		Protocols:              protocols,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: muxWindow,
			SendPingTimeout:           pingAfter,
			PingTimeout:               pingTimeout,
			MaxEncoderHeaderTableSize: noTable,
		},
	}
	return p
}

// take returns a connection with a place for one exchange. It makes one if need be,
// for which it waits no longer than ctx lasts; within bounds the making, 0 does not.
func (p *muxPool) take(ctx context.Context, within time.Duration) (*muxConn, error) {
	for {
		c, d, err := p.reserve(within)
		if c != nil || err != nil {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for a connection: %w", context.Cause(ctx))
		case <-d.done:
			if d.err != nil {
				return nil, d.err
			}
		}
	}
}

// reserve returns a connection with a place, or else the one in the making. An
// exchange that gets a connection without a free place waits for one there.
func (p *muxPool) reserve(within time.Duration) (*muxConn, *muxDial, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, &dialError{errRetired}
	}
	p.tidyLocked()
	if c := p.placeLocked(muxStreams); c != nil {
		return c, nil, nil
	}
	if p.dial == nil && len(p.conns) < muxConns {
		p.dial = &muxDial{done: make(chan struct{})}
		go p.make(p.dial, within)
	}
	if c := p.placeLocked(0); c != nil {
		return c, nil, nil
	}
	if p.dial != nil {
		return nil, p.dial, nil
	}
	least := p.conns[0]
	for _, c := range p.conns[1:] {
		if c.InFlight() < least.InFlight() {
			least = c
		}
	}
	return least, nil, nil
}

// tidyLocked forgets connections that are closed, and lets go those that are old.
func (p *muxPool) tidyLocked() {
	kept := p.conns[:0]
	for _, c := range p.conns {
		switch age := time.Since(c.born); {
		case c.Err() != nil:
		case age > muxAge, p.way.aging != nil && !p.way.aging.Fresh(age):
			c.leave()
		default:
			kept = append(kept, c)
		}
	}
	clear(p.conns[len(kept):])
	p.conns = kept
}

// placeLocked takes a place on the first connection that has one and carries fewer
// exchanges than that; 0 is no bound.
func (p *muxPool) placeLocked(fewer int) *muxConn {
	for _, c := range p.conns {
		if (fewer == 0 || c.InFlight() < fewer) && c.Reserve() == nil {
			return c
		}
	}
	return nil
}

// make makes a connection, and tells those who wait.
func (p *muxPool) make(d *muxDial, within time.Duration) {
	ctx := p.ctx
	if within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, within)
		defer cancel()
	}
	c, err := p.connect(ctx)
	p.mu.Lock()
	p.dial = nil
	if err == nil && p.closed {
		c.leave()
		err = &dialError{errRetired}
	}
	if err == nil {
		p.conns = append(p.conns, c)
	}
	d.err = err
	p.mu.Unlock()
	close(d.done)
}

// greetedKey is the context key of a **greeted: where first leaves what it has made.
type greetedKey struct{}

// first makes the connection that net/http then speaks HTTP/2 on.
func (p *muxPool) first(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := p.way.connect(ctx)
	if err != nil {
		return nil, err
	}
	g := &greeted{Conn: c, box: newOutbox(c, muxWrite), ready: make(chan struct{})}
	*ctx.Value(greetedKey{}).(**greeted) = g
	return g, nil
}

// connect makes a connection and waits until the instance has spoken: only then it
// is known to speak HTTP/2, and how many exchanges it takes.
func (p *muxPool) connect(ctx context.Context) (*muxConn, error) {
	var g *greeted
	cc, err := p.std.NewClientConn(context.WithValue(ctx, greetedKey{}, &g), "http", "instance:80")
	if err != nil {
		if _, ok := errors.AsType[*dialError](err); !ok {
			err = &dialError{err}
		}
		return nil, err
	}
	select {
	case <-g.ready:
		err = g.err
	case <-ctx.Done():
		err = &dialError{fmt.Errorf("waiting for the instance's settings: %w", ctx.Err())}
	}
	if err != nil {
		_ = cc.Close() // there is an error to report already
		return nil, err
	}
	c := &muxConn{ClientConn: cc, born: time.Now()}
	cc.SetStateHook(c.settle)
	return c, nil
}

// Close closes the connections, which carry nothing any more, and stops making them.
func (p *muxPool) Close() {
	p.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.ClientConn.Close() // idle connections of an instance that is gone
	}
	p.conns = nil
}
