package proxyprotocol

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// maxWaiting bounds the connections of a listener whose header is being read. One
// more is closed.
const maxWaiting = 4096

// Mode says who must send a header. Only trusted peers may.
type Mode uint8

// The modes.
const (
	// Optional: a trusted peer may send a header.
	Optional Mode = iota + 1
	// Required: only trusted peers may connect, and each must send a header.
	Required
)

// Options describe a listener.
type Options struct {
	Mode Mode
	// Trusted reports whether a peer's header is believed. It must not be nil.
	Trusted func(netip.Addr) bool
	// Timeout bounds the wait for the whole header; 0 means no bound.
	Timeout time.Duration
	// Refused is called for each connection that is closed for its header, or
	// for the lack of one. A peer that closes without a word is none. Nil does
	// nothing.
	Refused func()
	// Logger gets what was refused, at debug. Nil logs nothing.
	Logger hclog.Logger
}

// Listener accepts connections whose RemoteAddr is the client that a PROXY
// header names.
type Listener struct {
	net.Listener
	o       Options
	waiting chan struct{} // one element for each header that is being read
	ready   chan accepted
	closed  chan struct{}
	once    sync.Once
	all     sync.WaitGroup
	readers sync.WaitGroup // of headers; part of all
}

type accepted struct {
	c   net.Conn
	err error
}

// Wrap reads headers on the connections of ln. It begins at once; Close ends it
// and closes ln.
func Wrap(ln net.Listener, o Options) *Listener {
	if o.Refused == nil {
		o.Refused = func() {}
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	l := &Listener{
		Listener: ln, o: o, waiting: make(chan struct{}, maxWaiting),
		ready: make(chan accepted), closed: make(chan struct{}),
	}
	l.all.Go(l.accept)
	return l
}

// Accept returns the next connection whose header was read.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.ready:
		return a.c, a.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener and the connections that wait, and returns when
// nothing of it runs any more.
func (l *Listener) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		l.all.Wait()
	})
	return err
}

// accept takes connections until the listener is closed. A failure is passed on,
// and the next attempt comes when someone has taken it.
func (l *Listener) accept() {
	for {
		c, err := l.Listener.Accept()
		switch {
		case l.isClosed():
			if c != nil {
				c.Close()
			}
			return
		case errors.Is(err, net.ErrClosed): // who has been let in is not turned away
			l.readers.Wait()
			l.hand(accepted{err: err})
			return
		case err != nil:
			l.hand(accepted{err: err})
			continue
		}
		switch trusted := l.trusts(c); {
		case !trusted && l.o.Mode == Required:
			l.refuse(c, errors.New("the peer is not a trusted proxy"))
		case !trusted:
			l.hand(accepted{c: c})
		default:
			select {
			case l.waiting <- struct{}{}:
				l.readers.Add(1)
				l.all.Go(func() {
					defer l.readers.Done()
					defer func() { <-l.waiting }()
					l.read(c)
				})
			default:
				l.refuse(c, errors.New("too many connections wait for their header"))
			}
		}
	}
}

func (l *Listener) trusts(c net.Conn) bool {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	return err == nil && l.o.Trusted(ap.Addr().Unmap().WithZone(""))
}

// hand gives a connection to Accept, or closes it when nobody will come for it.
func (l *Listener) hand(a accepted) {
	select {
	case l.ready <- a:
	case <-l.closed:
		if a.c != nil {
			a.c.Close()
		}
	}
}

func (l *Listener) refuse(c net.Conn, why error) {
	l.o.Refused()
	l.o.Logger.Debug("connection refused by the PROXY protocol", "peer", c.RemoteAddr().String(), "error", why)
	c.Close()
}

func (l *Listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// read reads the header of one connection.
func (l *Listener) read(c net.Conn) {
	if l.o.Timeout > 0 {
		_ = c.SetReadDeadline(time.Now().Add(l.o.Timeout)) // it fails on a closed connection only
	}
	over, watched := make(chan struct{}), make(chan struct{})
	go func() { // a closed listener waits for no header
		defer close(watched)
		select {
		case <-l.closed:
			_ = c.SetReadDeadline(past) // likewise
		case <-over:
		}
	}()
	told, err := readHeader(c, l.o.Mode)
	close(over)
	<-watched
	switch {
	case errors.Is(err, errSilent):
		c.Close()
		return
	case err != nil:
		l.refuse(c, err)
		return
	}
	_ = c.SetReadDeadline(time.Time{}) // likewise
	l.hand(accepted{c: told})
}

// errSilent is a peer that has closed without a word, as the health checks of
// balancers do.
var errSilent = errors.New("the peer has sent nothing")

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// readHeader reads the header of a connection, and returns the connection as it
// is behind that.
func readHeader(c net.Conn, mode Mode) (net.Conn, error) {
	b := make([]byte, 0, 256)
	for {
		n, client, err := parse(b)
		switch {
		case err == nil:
			return behind(c, b[n:], client), nil
		case errors.Is(err, errNone) && mode == Optional:
			return behind(c, b, netip.AddrPort{}), nil
		case !errors.Is(err, errShort):
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(make([]byte, 0, maxV2), b...)
		}
		n, err = c.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case errors.Is(err, io.EOF) && len(b) == 0:
			return nil, errSilent
		case err != nil && n == 0:
			return nil, err
		}
	}
}
