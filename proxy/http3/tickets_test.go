package http3_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/quic-go/quic-go"
	quichttp3 "github.com/quic-go/quic-go/http3"
)

// sharing lets servers seal tickets by the same keys.
func sharing(keys *tls.Config, early bool) func(*settings) {
	return func(s *settings) {
		s.EarlyData = early
		s.TLS.WrapSession, s.TLS.UnwrapSession = keys.EncryptTicket, keys.DecryptTicket
		inner := s.TLS
		s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil }}
	}
}

// again returns the connection as it is after early data was refused.
func (v *visit) again() *visit {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	conn, err := v.quic.NextConnection(ctx)
	if err != nil {
		v.t.Fatal(err)
	}
	return &visit{t: v.t, addr: v.addr, quic: conn, http: (&quichttp3.Transport{}).NewClientConn(conn)}
}

// TestSharedTickets: a session goes on at another server with the same keys.
func TestSharedTickets(t *testing.T) {
	seen, instance := arrivals(t)
	keys := &tls.Config{}
	one, two := startGateway(t, sharing(keys, false), instance), startGateway(t, sharing(keys, false), instance)
	c := newReturning(t, one.addr, nil)
	v := c.dial(two.addr)
	v.ask("GET", "/get")
	await(t, "the GET", seen)
	if s := v.quic.ConnectionState(); !s.TLS.DidResume || s.Used0RTT {
		t.Errorf("resumed: %t; 0-RTT: %t", s.TLS.DidResume, s.Used0RTT)
	}
}

// TestNoEarlyDataOfOthers: what a client sends along with the ticket of another server
// is not served, even if its address is proven. The session goes on all the same.
func TestNoEarlyDataOfOthers(t *testing.T) {
	t.Parallel()
	seen, instance := arrivals(t)
	keys := &tls.Config{}
	one, two := startGateway(t, sharing(keys, true), instance), startGateway(t, sharing(keys, true), instance)
	r := startRelay(t, two.addr)
	c := newReturning(t, one.addr, quic.NewLRUTokenStore(10, 10))
	// It visits the other one, too, keeps the token, and forgets the ticket.
	tickets := c.tls.ClientSessionCache
	c.tls = c.tls.Clone()
	got := make(chan struct{}, 10)
	c.tls.ClientSessionCache = &watchedCache{ClientSessionCache: tls.NewLRUClientSessionCache(10), got: func() { got <- struct{}{} }}
	v := c.dial(two.addr)
	v.ask("GET", "/before")
	await(t, "a ticket", got)
	if err := v.quic.CloseWithError(quic.ApplicationErrorCode(quichttp3.ErrCodeNoError), ""); err != nil {
		t.Fatal(err)
	}

	c.tls.ClientSessionCache = tickets
	r.keep()
	v = c.dial(r.addr)
	v.send("GET", "/early")
	v.send("POST", large)
	r.releaseLarge(t)
	await(t, "the other's answer", v.quic.HandshakeComplete())
	if s := v.quic.ConnectionState(); !s.TLS.DidResume || s.Used0RTT {
		t.Errorf("resumed: %t; 0-RTT: %t", s.TLS.DidResume, s.Used0RTT)
	}
	r.open()
	v = v.again()
	if status := v.ask("GET", "/late"); status != 200 {
		t.Errorf("a GET after it: %d", status)
	}
	if a := await(t, "the GET", seen); a != (arrival{"GET", "/late", ""}) || len(seen) > 0 {
		t.Errorf("the instance saw %+v and %d more", a, len(seen))
	}
}
