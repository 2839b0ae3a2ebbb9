package http3

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"slices"
)

// keepingTickets returns a configuration that seals the tickets of sessions by keys
// of its own, so that they outlive what GetConfigForClient returns: crypto/tls does
// so by itself, and quic-go asks for the keys of what was returned. Who has set
// WrapSession in there seals by that. A connection is told when its ticket is another
// server's.
func keepingTickets(c *tls.Config) *tls.Config {
	c = c.Clone()
	next := c.GetConfigForClient
	plain := c.Clone()
	plain.GetConfigForClient = nil
	keys := plain.Clone() // crypto/tls makes keys for it, and replaces them every day
	m := newMint()
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		chosen := plain
		if next != nil {
			other, err := next(hello)
			if err != nil {
				return nil, err
			}
			if other != nil {
				chosen = other
			}
		}
		chosen = chosen.Clone()
		at, _ := hello.Context().Value(connKey{}).(*conn)
		m.mark(chosen, keys, at)
		return chosen, nil
	}
	return c
}

// mint knows its own tickets among those that are sealed by the same keys. A first
// flight can be replayed wherever its early data is served, from any address that has
// got a token there, so not every gateway that opens the ticket may do so (RFC 8446
// section 8).
type mint struct{ sign []byte }

// signLabel tells the sign from what others keep in tickets.
const signLabel = "lictor-mint-1 "

func newMint() mint {
	sign := make([]byte, 16)
	_, _ = rand.Read(sign) // never fails
	return mint{append([]byte(signLabel), sign...)}
}

// mark has a configuration sign the tickets that allow early data, and note at the
// connection when one of others is shown. The keys are for a configuration that has no
// way of its own to seal them.
func (m mint) mark(c, keys *tls.Config, at *conn) {
	wrap, unwrap := c.WrapSession, c.UnwrapSession
	if wrap == nil {
		wrap, unwrap = keys.EncryptTicket, keys.DecryptTicket
	}
	c.WrapSession = func(about tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
		if s.EarlyData {
			s.Extra = append(s.Extra, m.sign)
		}
		return wrap(about, s)
	}
	c.UnwrapSession = func(ticket []byte, about tls.ConnectionState) (*tls.SessionState, error) {
		s, err := unwrap(ticket, about)
		if err != nil || s == nil || !s.EarlyData || slices.ContainsFunc(s.Extra, func(b []byte) bool { return bytes.Equal(b, m.sign) }) {
			return s, err
		}
		if at == nil {
			s.EarlyData = false // nobody would know to wait
			return s, nil
		}
		at.borrowed.Store(true)
		return s, nil
	}
}
