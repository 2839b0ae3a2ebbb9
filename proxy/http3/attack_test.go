package http3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	quichttp3 "github.com/quic-go/quic-go/http3"

	"github.com/lictor/lictor/proxy"
)

// serves fails unless somebody who does no harm is served.
func (g *gateway) serves(t *testing.T) {
	t.Helper()
	if resp, body := do(t, newClient(t, nil), newRequest(t, "GET", g.url+"/", nil)); resp.StatusCode != 200 || body != "fine" {
		t.Errorf("another client got %s %q", resp.Status, body)
	}
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }

// TestHeadTooLarge: neither one large field nor many small ones get in, nor those of
// a trailer section.
func TestHeadTooLarge(t *testing.T) {
	g := startGateway(t, func(s *settings) { s.MaxHeaderBytes = 8 << 10 }, startInstance(t, fine))
	for name, bomb := range map[string]func(http.Header){
		"large": func(h http.Header) { h.Set("X-Bomb", strings.Repeat("x", 16<<10)) },
		"many": func(h http.Header) {
			for i := range 1000 {
				h.Set(fmt.Sprint("X-", i), "x")
			}
		},
	} {
		r := newRequest(t, "GET", g.url+"/", nil)
		bomb(r.Header)
		resp, err := newClient(t, nil).Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	g.serves(t)
}

// TestMaxConnections counts before the handshake.
func TestMaxConnections(t *testing.T) {
	g := startGateway(t, func(s *settings) { s.MaxConnections = 2 }, startInstance(t, fine))
	one, two := dial(t, g.addr), dial(t, g.addr)
	for _, v := range []*visit{one, two} {
		if status := v.ask("GET", "/"); status != 200 {
			t.Errorf("within the bound: %d", status)
		}
	}
	resp, err := newClient(t, nil).Do(newRequest(t, "GET", g.url+"/", nil))
	if err == nil {
		resp.Body.Close()
	}
	if refused, ok := errors.AsType[*quic.TransportError](err); !ok || refused.ErrorCode != quic.ConnectionRefused {
		t.Errorf("over the bound: %v", err)
	}
	if n := g.listener.Refused.Load(); n < 1 { // a client may ask again
		t.Errorf("%d are counted as refused", n)
	}
	_ = one.quic.CloseWithError(0, "")
	_ = two.quic.CloseWithError(0, "")
	// A datagram of the one that was refused may have come late, and take a place.
	eventually(t, "a place is free", func() bool { return g.listener.Open.Load() < 2 })
	g.serves(t)
}

// TestForgedSources begins handshakes that nobody ends, as from forged addresses.
// They take few of the places, and others are asked to prove theirs and then served.
func TestForgedSources(t *testing.T) {
	const places = 40 // a quarter of which is for strangers
	g := startGateway(t, func(s *settings) { s.MaxConnections = places }, startInstance(t, fine))
	for range 3 * places {
		initial := firstDatagram(t)
		c, err := net.Dial("udp", g.addr)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Write(initial)
		c.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "as many are let in as may be", func() bool { return g.listener.Open.Load() == places/4 })
	g.serves(t) // who can only have proven its address
	if n := g.listener.Open.Load(); n > places/4+1 {
		t.Errorf("%d connections are open", n)
	}
	if n := g.listener.Refused.Load(); n > 0 {
		t.Errorf("%d were refused", n)
	}
}

// firstDatagram returns what a client begins a handshake with.
func firstDatagram(t *testing.T) []byte {
	t.Helper()
	nobody, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if c, err := quic.DialAddr(ctx, nobody.LocalAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}, CurvePreferences: []tls.CurveID{tls.X25519}}, nil); err == nil {
			_ = c.CloseWithError(0, "")
		}
	}()
	b := make([]byte, 2048)
	n, _, err := nobody.ReadFromUDP(b)
	cancel()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// flood opens as many requests as a client may have, waits until all are being served,
// and gives them up, which lets it open others.
func flood(t *testing.T, v *visit, served *atomic.Int64) error {
	t.Helper()
	const atOnce = 100
	before := served.Load()
	var all []*quichttp3.RequestStream
	for range atOnce {
		s, err := v.http.OpenRequestStream(t.Context())
		if err == nil {
			err = s.SendRequestHeader(newRequest(t, "GET", "https://"+v.addr+"/slow", nil))
		}
		if err == nil {
			err = s.Close()
		}
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	eventually(t, "the requests are served", func() bool { return served.Load() == before+atOnce })
	for _, s := range all {
		s.CancelRead(quic.StreamErrorCode(quichttp3.ErrCodeRequestCanceled))
	}
	return nil
}

// TestResetFlood: requests that are given up end, whatever the instance does.
func TestResetFlood(t *testing.T) {
	release := make(chan struct{})
	var asked atomic.Int64
	g := startGateway(t, nil, startInstance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			asked.Add(1)
			<-release
			return
		}
		fine(w, r)
	}))
	defer close(release)
	v := dial(t, g.addr)
	for range 5 {
		if err := flood(t, v, &asked); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "no request goes on", func() bool { return g.proxy.InFlight() == 0 })
	g.serves(t)
	_ = v.quic.CloseWithError(0, "")
}

// TestResetFloodIsBounded: those that do not end leave no room for others.
func TestResetFloodIsBounded(t *testing.T) {
	release := make(chan struct{})
	var running atomic.Int64
	g := startGateway(t, func(s *settings) {
		s.Handler = func(w http.ResponseWriter, r *http.Request, _ *proxy.Conn) {
			if r.URL.Path == "/slow" {
				running.Add(1)
				<-release
				return
			}
			fine(w, r)
		}
	})
	defer close(release)
	v := dial(t, g.addr)
	if err := flood(t, v, &running); err != nil {
		t.Fatal(err)
	}
	g.serves(t)
	if s, err := v.quic.OpenStream(); err == nil {
		t.Errorf("there is room for stream %d", s.StreamID())
	}
	_ = v.quic.CloseWithError(0, "")
}

// TestStuckHeads: heads that never end do not keep a connection open.
func TestStuckHeads(t *testing.T) {
	g := startGateway(t, func(s *settings) { s.IdleTimeout = 3 * time.Second }, startInstance(t, fine))
	v := dial(t, g.addr)
	for range 10 {
		s, err := v.quic.OpenStream()
		if err == nil {
			_, err = s.Write([]byte{0x01, 0x40, 0x80, 0}) // HEADERS of 128 bytes, of which one comes
		}
		if err != nil && v.quic.Context().Err() == nil { // else its time is over already
			t.Fatal(err)
		}
	}
	select {
	case <-v.quic.Context().Done():
	case <-time.After(patience):
		t.Error("the connection is still open")
	}
	g.serves(t)
}

// TestUnfinishedGet: who sends no body, and does not say so, is not waited for.
func TestUnfinishedGet(t *testing.T) {
	t.Parallel() // it mostly waits
	// Handshakes have to be over in this time, too.
	g := startGateway(t, func(s *settings) { s.ReadHeaderTimeout = 8 * time.Second }, startInstance(t, fine))
	v := dial(t, g.addr)
	s, err := v.http.OpenRequestStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendRequestHeader(newRequest(t, "GET", g.url+"/", nil)); err != nil {
		t.Fatal(err)
	}
	if resp, err := s.ReadResponse(); err == nil {
		t.Errorf("it was answered: %s", resp.Status)
	}
	g.serves(t)
	_ = v.quic.CloseWithError(0, "")
}
