package nethttp_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lictor/lictor/proxy/trial/loopback"
)

// Frames of HTTP/2 (RFC 9113 section 6), written and read by hand so that an
// instance can do what a library's would not.
const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	framePing     = 0x6
	frameGoAway   = 0x7
	frameWindow   = 0x8

	flagEnd     = 0x1 // of a stream
	flagAck     = 0x1
	flagHeaders = 0x4 // END_HEADERS
)

// wire is a connection of an instance's.
type wire struct {
	net.Conn
	r *bufio.Reader
}

func (w *wire) frame(typ, flags byte, stream uint32, payload ...byte) {
	n := len(payload)
	b := binary.BigEndian.AppendUint32([]byte{byte(n >> 16), byte(n >> 8), byte(n), typ, flags}, stream)
	_, _ = w.Write(append(b, payload...)) // the gateway may have gone
}

// ok answers with 200 and nothing else: that is entry 8 of HPACK's static table.
func (w *wire) ok(stream uint32) { w.frame(frameHeaders, flagEnd|flagHeaders, stream, 0x88) }

func (w *wire) goAway(last uint32) {
	w.frame(frameGoAway, 0, 0, binary.BigEndian.AppendUint64(nil, uint64(last)<<32)...)
}

func (w *wire) reset(stream uint32, code uint32) {
	w.frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code)...)
}

// read returns the next frame without what is in it; ok is false at the end.
func (w *wire) read() (typ, flags byte, stream uint32, ok bool) {
	var head [9]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return 0, 0, 0, false
	}
	n := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
	if _, err := io.CopyN(io.Discard, w.r, n); err != nil {
		return 0, 0, 0, false
	}
	return head[3], head[4], binary.BigEndian.Uint32(head[5:]), true
}

// until returns the stream of the next frame of that type with that flag, 0 when
// there is none.
func (w *wire) until(typ, flag byte) uint32 {
	for {
		t, f, stream, ok := w.read()
		if !ok || t == typ && f&flag == flag {
			return stream
		}
	}
}

// next returns the next request of which all has come, 0 when there will be none.
func (w *wire) next() uint32 {
	for {
		t, f, stream, ok := w.read()
		if !ok || (t == frameData || t == frameHeaders) && f&flagEnd != 0 {
			return stream
		}
	}
}

// startWire runs script for each connection, once both sides have greeted.
func startWire(t *testing.T, script func(n int, w *wire)) string {
	t.Helper()
	return loopback.Raw(t, loopback.Listen(t), func(n int, c net.Conn, r *bufio.Reader) {
		const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
		if _, err := io.CopyN(io.Discard, r, int64(len(preface))); err != nil {
			return
		}
		w := &wire{c, r}
		w.frame(frameSettings, 0, 0, 0, 4, 0, 16, 0, 0) // a window of 1 MiB for each stream
		script(n, w)
		_, _ = io.Copy(io.Discard, r)
	})
}

// TestMuxGoAway: a request that an instance has not looked at, because it closes the
// connection, is sent to it again on another one, whatever its method (RFC 9113
// section 6.8). What it has looked at is finished.
func TestMuxGoAway(t *testing.T) {
	var asked atomic.Int64
	at := startWire(t, func(n int, w *wire) {
		for {
			stream := w.next()
			if stream == 0 {
				return
			}
			if asked.Add(1) == 1 && n == 0 {
				w.goAway(stream - 1)
				continue
			}
			w.ok(stream)
		}
	})
	g := startMux(t, nil, at)
	c := newClient(t, nil)
	for _, body := range []string{"question", ""} {
		asked.Store(0)
		resp, _ := loopback.Do(t, c, loopback.NewRequest(t, "POST", g.URL+"/", io.MultiReader(strings.NewReader(body))))
		if resp.StatusCode != http.StatusOK {
			t.Errorf("got %s", resp.Status)
		}
	}
}

// TestMuxGoAwayEarly: that holds while the client is still sending, too.
func TestMuxGoAwayEarly(t *testing.T) {
	gone := make(chan struct{})
	at := startWire(t, func(n int, w *wire) {
		if n == 0 {
			w.until(frameHeaders, 0)
			w.goAway(0)
			w.frame(framePing, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8)
			w.until(framePing, flagAck) // what came before has been taken in
			close(gone)
			return
		}
		w.ok(w.next())
	})
	g := startMux(t, nil, at)
	pr, pw := io.Pipe()
	go func() {
		_, _ = io.WriteString(pw, "first, ")
		<-gone
		_, _ = io.WriteString(pw, "last")
		pw.Close()
	}()
	resp, _ := loopback.Do(t, newClient(t, nil), loopback.NewRequest(t, "POST", g.URL+"/", pr))
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got %s", resp.Status)
	}
}

// TestMuxGoAwayServed: what was begun before GOAWAY is finished, and what comes
// later goes by another connection.
func TestMuxGoAwayServed(t *testing.T) {
	var conns atomic.Int64
	at := startWire(t, func(_ int, w *wire) {
		conns.Add(1)
		stream := w.next()
		w.goAway(stream)
		w.ok(stream)
	})
	g := startMux(t, nil, at)
	c := newClient(t, nil)
	for range 5 {
		if resp, _ := loopback.Do(t, c, loopback.NewRequest(t, "POST", g.URL+"/", nil)); resp.StatusCode != http.StatusOK {
			t.Errorf("got %s", resp.Status)
		}
	}
	if n := conns.Load(); n != 5 {
		t.Errorf("%d connections for five that took one request each", n)
	}
}

// TestMuxRefusedStream: a request that is refused goes to another instance (RFC 9113
// section 8.7), unless too much of it has been sent to be sent again. One that is
// reset for another reason does not, since it may have been acted on.
func TestMuxRefusedStream(t *testing.T) {
	good, _ := startH2(t, nil, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	for _, c := range []struct {
		name   string
		code   uint32
		body   string
		status int
	}{
		{"refused", 0x7, "question", http.StatusOK},
		{"refused, without a body", 0x7, "", http.StatusOK},
		{"refused, too large to keep", 0x7, strings.Repeat("x", 100<<10), http.StatusBadGateway},
		{"internal error", 0x2, "question", http.StatusBadGateway},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int64
			bad := startWire(t, func(_ int, w *wire) {
				w.frame(frameWindow, 0, 0, 0, 16, 0, 0) // and one for the connection
				for {
					stream := w.next()
					if stream == 0 {
						return
					}
					asked.Add(1)
					w.reset(stream, c.code)
				}
			})
			g := startMux(t, nil, bad, good)
			client := newClient(t, nil)
			worst := http.StatusOK
			for range 2 { // one of them begins with the bad one
				resp, body := loopback.Do(t, client, loopback.NewRequest(t, "POST", g.URL+"/", io.MultiReader(strings.NewReader(c.body))))
				worst = max(worst, resp.StatusCode)
				if resp.StatusCode == http.StatusOK && body != c.body {
					t.Errorf("the body came back with %d bytes of %d", len(body), len(c.body))
				}
			}
			if worst != c.status || asked.Load() != 1 && len(c.body) < 64<<10 {
				t.Errorf("%d, after the bad one was asked %d times", worst, asked.Load())
			}
		})
	}
}
