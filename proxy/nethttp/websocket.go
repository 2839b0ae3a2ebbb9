package nethttp

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/lictor/lictor/proxy"
	_ "github.com/lictor/lictor/proxy/nethttp/xconnect" // offers extended CONNECT
)

// opensWebSocket reports whether a request is an extended CONNECT for a WebSocket (RFC
// 8441 section 5). There is no other protocol that is known here.
func opensWebSocket(r *http.Request) bool {
	p := r.Header[protocolField]
	return r.Method == http.MethodConnect && len(p) == 1 && p[0] == "websocket"
}

// websocket makes of an extended CONNECT the handshake of HTTP/1.1 that it stands
// for. Its key is ours, and the pipeline looks whether the instance knows it.
func websocket(q *proxy.Request) {
	q.Method, q.Verb = methodGet, proxy.MethodGet
	q.Length, q.Body, q.WebSocket = 0, nil, true
	f := &q.Fields
	f.DelName(protocolField)
	f.DelName(proxy.WebSocketKeyName)
	f.Foreign(proxy.WebSocketKeyName, proxy.NewWebSocketKey())
}

var methodGet = []byte(http.MethodGet)

var errOpens = errors.New("an answer that would open a WebSocket nobody speaks")

// stream is a stream of HTTP/2 that has become a tunnel.
type stream struct {
	w    *responder
	body io.Reader

	mu      sync.Mutex
	writing bool
	closed  bool
}

// openStream agrees to a WebSocket. The fields that HTTP/1.1 needs for that have no
// meaning here.
func (w *responder) openStream() (io.ReadWriteCloser, error) {
	h := w.rw.Header()
	f := &w.x.Response.Fields
	f.DelName(proxy.WebSocketAcceptName)
	fill(h, f, toClient)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // else net/http guesses one
	}
	w.rw.WriteHeader(http.StatusOK)
	if err := w.Flush(); err != nil {
		w.aborted = true
		return nil, err
	}
	return &stream{w: w, body: w.r.Body}, nil
}

// Read reads what the client sends.
func (s *stream) Read(p []byte) (int, error) { return s.body.Read(p) }

// Write sends to the client, at once.
func (s *stream) Write(p []byte) (int, error) {
	if !s.begin() {
		return 0, io.ErrClosedPipe
	}
	defer s.end()
	n, err := s.w.rw.Write(p)
	if err != nil {
		return n, err
	}
	return n, s.w.Flush()
}

func (s *stream) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = !s.closed
	return s.writing
}

func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
}

// Close ends what waits in Read and Write. The client learns of the end when the
// exchange is over; a Write that is broken off resets the stream. There is no closing
// of one direction, for net/http has none.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.w.d == nil {
		return nil
	}
	s.closed = true
	if s.writing {
		_ = s.w.d.SetWriteDeadline(past) // fails on a closed connection only
	}
	return s.w.d.SetReadDeadline(past)
}
