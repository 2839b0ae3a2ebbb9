package nethttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/lictor/lictor/proxy"
)

// responder writes the answer to one exchange. It implements proxy.Responder.
type responder struct {
	x    *proxy.Exchange
	rw   http.ResponseWriter
	r    *http.Request
	d    deadlines
	body *body

	// mu keeps heads apart: an interim response comes on the transport's
	// goroutine, and so does the first read of a body, which is what tells the
	// client to go on.
	mu       sync.Mutex
	expected bool // the client waits for 100 (Continue)
	headOut  bool

	bodiless bool // no bytes may follow the head
	chunks   bool // trailers can follow the body
	aborted  bool
	leaving  bool      // no other request comes this way
	last     bool      // the connection closes afterwards, with something unread
	armed    time.Time // when the write deadline was set last
}

func (w *responder) begin(rw http.ResponseWriter, r *http.Request, b *body) {
	w.rw, w.r, w.body = rw, r, b
	w.d, _ = rw.(deadlines)
	b.w = w
	w.expected = r.Header["Expect"] != nil && b.unfinished()
	w.headOut, w.bodiless, w.chunks, w.aborted, w.last = false, false, false, false, false
	w.armed = time.Time{}
}

func (w *responder) end() { w.rw, w.r, w.d = nil, nil, nil }

// Interim implements proxy.Responder. HTTP/1.0 knows no interim responses (RFC
// 9110 section 15.2).
func (w *responder) Interim(status int, f *proxy.Fields) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.headOut || !w.r.ProtoAtLeast(1, 1) || status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		return nil
	}
	if status == http.StatusContinue {
		w.expected = false
	}
	h := w.rw.Header()
	if f != nil {
		fill(h, f, toClient)
	}
	w.rw.WriteHeader(status)
	clear(h)
	return nil
}

// proceed tells a client that waits for it to send its body (RFC 9110 section
// 10.1.1). net/http would do so itself, but not in turn with Interim.
func (w *responder) proceed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.expected && !w.headOut {
		w.expected = false
		w.rw.WriteHeader(http.StatusContinue)
	}
}

// Head implements proxy.Responder.
func (w *responder) Head(r *proxy.Response) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.headOut = true
	if r.Status == http.StatusSwitchingProtocols {
		return nil // Tunnel writes it
	}
	if opensWebSocket(w.r) && r.Status < http.StatusMultipleChoices {
		return errOpens // the pipeline answers nothing of the kind, but to a health check
	}
	w.arm()
	h := w.rw.Header()
	fill(h, &r.Fields, toClient)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // else net/http guesses one
	}
	empty := r.Status == http.StatusNoContent || r.Status == http.StatusNotModified
	if r.Length >= 0 && !empty {
		h["Content-Length"] = []string{strconv.FormatInt(r.Length, 10)}
	}
	w.bodiless = empty || w.x.Request.Verb == proxy.MethodHead
	w.chunks = !w.bodiless && r.Length < 0
	if w.chunks {
		announce(h, &r.Fields)
	}
	if w.r.ProtoMajor == 1 && (w.body.isLost() || r.Body != nil && w.body.unfinished()) {
		// The instance answers before it has everything, and may want the rest
		// still; or there is no rest to be had. net/http would read it all
		// first, unless this is the connection's last answer.
		h["Connection"] = []string{"close"}
		w.last = true
	}
	if w.leaving && w.r.ProtoMajor < 3 { // in HTTP/2 it becomes a GOAWAY
		h["Connection"] = []string{"close"}
	}
	w.rw.WriteHeader(r.Status)
	return nil
}

// arm lets the client take nothing for the route's idle time from now, give or
// take a quarter.
func (w *responder) arm() {
	idle := idleOf(w.x)
	if now := time.Now(); idle > 0 && w.d != nil && now.Sub(w.armed) > idle/4 {
		w.armed = now
		_ = w.d.SetWriteDeadline(now.Add(idle)) // fails on a closed connection only
		if w.r.ProtoMajor >= 2 {
			w.body.extend(now)
		}
	}
}

// Body implements proxy.Responder.
func (w *responder) Body(p []byte) error {
	if w.bodiless || len(p) == 0 {
		return nil
	}
	w.arm()
	if _, err := w.rw.Write(p); err != nil {
		return fmt.Errorf("writing to the client: %w", err)
	}
	return nil
}

// Flush implements proxy.Responder.
func (w *responder) Flush() error {
	f, ok := w.rw.(interface{ FlushError() error })
	if !ok {
		return nil
	}
	if err := f.FlushError(); err != nil {
		return fmt.Errorf("writing to the client: %w", err)
	}
	return nil
}

// End implements proxy.Responder. A trailer that the framing has no place for
// is dropped (RFC 9110 section 6.5.1).
func (w *responder) End(trailer *proxy.Fields) error {
	if w.bodiless && w.r.ProtoMajor == 3 {
		return w.Flush() // else quic-go says that HEAD's representation is empty
	}
	if trailer == nil || (!w.chunks && w.r.ProtoMajor == 1) {
		return nil
	}
	if err := w.Flush(); err != nil { // else net/http finds a length for a small body
		return err
	}
	h := w.rw.Header()
	for i := range trailer.Len() {
		if trailer.Live(i) {
			name := http.TrailerPrefix + string(trailer.Name(i))
			h[name] = append(h[name], string(trailer.Value(i)))
		}
	}
	return nil
}

// Abort implements proxy.Responder. The connection, or the stream of HTTP/2, is
// reset once Serve has returned.
func (w *responder) Abort() { w.aborted = true }

// StopBody makes whoever waits for the client's body give up at once.
func (w *responder) StopBody() { w.body.stop() }

// Context implements proxy.Responder.
func (w *responder) Context() context.Context { return w.r.Context() }

var errNoTunnel = errors.New("the client's protocol has no tunnels")

// Tunnel implements proxy.Responder.
func (w *responder) Tunnel() (io.ReadWriteCloser, error) {
	if opensWebSocket(w.r) {
		return w.openStream()
	}
	c, rw, err := w.hijack()
	if err != nil {
		w.aborted = true
		return nil, err
	}
	head := append([]byte(nil), "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"...)
	head = append(w.x.Response.Fields.AppendLines(head), "\r\n"...)
	if _, err := c.Write(head); err != nil {
		c.Close()
		return nil, fmt.Errorf("writing to the client: %w", err)
	}
	return &tunnel{Conn: c, early: rw.Reader}, nil
}

func (w *responder) hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := w.rw.(http.Hijacker)
	if !ok {
		return nil, nil, errNoTunnel
	}
	c, rw, err := h.Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking the connection over: %w", err)
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		c.Close()
		return nil, nil, fmt.Errorf("taking the connection over: %w", err)
	}
	return c, rw, nil
}

// tunnel is a client's connection after a 101 response.
type tunnel struct {
	net.Conn
	early *bufio.Reader // holds what came with the request; nil once it is used up
}

// Read returns what net/http had read already, then what comes.
func (t *tunnel) Read(p []byte) (int, error) {
	if t.early != nil {
		if n := t.early.Buffered(); n > 0 {
			return t.early.Read(p[:min(n, len(p))]) //nolint:wrapcheck // it is a buffer
		}
		t.early = nil
	}
	return t.Conn.Read(p)
}
