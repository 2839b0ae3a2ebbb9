package http3_test

import (
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

// TestEarlyDataOfOthers: what a client sends along with the ticket of another server
// waits for the handshake, even if its address is proven.
func TestEarlyDataOfOthers(t *testing.T) {
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
	get, post := v.send("GET", "/get"), v.send("POST", large)
	r.releaseLarge(t)
	await(t, "the server's part of the handshake", v.quic.HandshakeComplete())
	if s := v.quic.ConnectionState(); !s.TLS.DidResume || !s.Used0RTT {
		t.Errorf("resumed: %t; 0-RTT: %t", s.TLS.DidResume, s.Used0RTT)
	}
	if len(seen) > 0 {
		t.Errorf("before the handshake is over the instance saw %+v", <-seen)
	}
	r.open()
	for _, s := range []*quichttp3.RequestStream{get, post} {
		if status := v.answer(s); status != 200 {
			t.Errorf("status %d", status)
		}
		if a := await(t, "a request", seen); a.early != "" {
			t.Errorf("the instance saw %+v", a)
		}
	}
	if status := v.ask("GET", "/late"); status != 200 {
		t.Errorf("a GET after it: %d", status)
	}
}
