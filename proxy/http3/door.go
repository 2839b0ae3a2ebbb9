package http3

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/quic-go/quic-go"
)

// mostStrangers bounds the handshakes with clients whose addresses nothing proves.
// Beyond it they are sent away with a token to come again with.
const mostStrangers = 100

// door decides who may begin a handshake.
type door struct {
	most      int // connections of the listener; 0 for no bound
	strangers atomic.Int64
}

// isCrowded reports whether a client must prove its address first. Where there are
// few places, forged clients must not take them all for as long as a handshake may
// last.
func (d *door) isCrowded() bool {
	bound := int64(mostStrangers)
	if d.most > 0 {
		bound = min(bound, int64(d.most/4))
	}
	return d.strangers.Load() >= bound
}

var (
	errFull    = errors.New("too many connections")
	errLeaving = errors.New("the server leaves")
)

// admit makes a connection out of a client's first datagram. The context ends with
// the connection, or with a handshake that fails.
func (s *Server) admit(ctx context.Context, about *quic.ClientInfo) (context.Context, error) {
	l := s.listener
	if s.isClosed() {
		return nil, errLeaving
	}
	l.Accepted.Add(1)
	if n := l.Open.Add(1); s.door.most > 0 && n > int64(s.door.most) {
		l.Open.Add(-1)
		l.Refused.Add(1)
		return nil, errFull
	}
	c := &conn{s: s, proven: about.AddrVerified}
	if !c.proven {
		s.door.strangers.Add(1)
	}
	ctx = context.WithValue(ctx, connKey{}, c)
	s.conns.add(c)
	context.AfterFunc(ctx, c.left)
	return ctx, nil
}

// enter makes a connection ready for its requests. The handshake may not be over.
func (s *Server) enter(ctx context.Context, q *quic.Conn) context.Context {
	c := ctx.Value(connKey{}).(*conn)
	go func() {
		select {
		case <-q.HandshakeComplete():
			c.known()
		case <-q.Context().Done():
		}
	}()
	c.begin(q)
	return ctx
}
