package nethttp

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lictor/lictor/proxy"
)

// stopper is a Responder that can break off a read from its client.
type stopper interface{ StopBody() }

// upload lends the client's body to http.Transport, as an io.ReadCloser, and
// takes it back. Read runs on the transport's goroutine, all else on others.
type upload struct {
	x       *proxy.Exchange
	src     proxy.Body
	trailer http.Header // gets the trailer section at the end, if not nil

	mu      sync.Mutex
	idle    sync.Cond
	reading bool        // Read is in src.Next
	started bool        // it has been there
	closed  bool        // it must not go there again
	broken  bool        // it was broken off there, so that the client's body is lost
	eager   bool        // Read must return soon after Close
	lapse   *time.Timer // until it does; nil for not yet
	since   time.Time   // when Read returned last, at first when it was made
	rest    []byte
	err     error // what src.Next returned at last
}

func newUpload(x *proxy.Exchange) *upload {
	u := &upload{x: x, src: x.Request.Body, since: time.Now()}
	u.idle.L = &u.mu
	if x.Request.Length < 0 {
		u.trailer = announced(&x.Request.Fields)
	}
	return u
}

// announced returns a header that has the names in the Trailer fields, and no
// values yet.
func announced(f *proxy.Fields) http.Header {
	h := make(http.Header)
	for i := f.Next(proxy.TrailerField, 0); i >= 0; i = f.Next(proxy.TrailerField, i+1) {
		for name := range names(f.Value(i)) {
			if maybeTrailer(name) {
				h[name] = nil
			}
		}
	}
	return h
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.eager {
		defer func() { u.since = time.Now() }()
	}
	for len(u.rest) == 0 {
		if u.closed {
			return 0, errUploadOver
		}
		if u.err != nil {
			return 0, u.err
		}
		u.next()
	}
	if u.closed {
		return 0, errUploadOver
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

var errUploadOver = errors.New("the upload is over")

// next asks for the next piece, without the lock.
func (u *upload) next() {
	u.reading, u.started = true, true
	u.mu.Unlock()
	b, err := u.src.Next()
	if err == io.EOF && u.trailer != nil { //nolint:errorlint // Body.Next returns io.EOF itself
		u.fillTrailer(u.src.Trailer())
	}
	u.mu.Lock()
	u.reading = false
	u.rest, u.err = b, err
	u.idle.Broadcast()
}

func (u *upload) fillTrailer(f *proxy.Fields) {
	if f == nil {
		return
	}
	for i := range f.Len() {
		if name := string(f.Name(i)); f.Live(i) && maybeTrailer(name) {
			name = http.CanonicalHeaderKey(name)
			u.trailer[name] = append(u.trailer[name], string(f.Value(i)))
		}
	}
}

// Close implements io.Closer. The transport calls it at the end of its own use. That
// of HTTP/2 waits for Read to return then. To break off what a client is about to send
// would lose a request that may be sent elsewhere, so the client has a while.
func (u *upload) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.eager && u.reading && u.lapse == nil {
		u.lapse = time.AfterFunc(lastPiece, u.interrupt)
	}
	u.closed = true
	return nil
}

// lastPiece is how long a client that has not sent all of its request is waited for
// when the request failed for want of a connection.
const lastPiece = time.Second

// unasked returns for how long nobody has come for more of the body, 0 while the
// client is waited for.
func (u *upload) unasked() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reading {
		return 0
	}
	return time.Since(u.since)
}

// interrupt ends a wait for the client, if there is one.
func (u *upload) interrupt() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.interruptLocked()
}

func (u *upload) interruptLocked() {
	u.closed = true
	if !u.reading || u.broken {
		return
	}
	// The client's side may have failed just now: net/http ends the context before
	// the read returns that says how. What it says is then the client's doing.
	u.broken = u.x.W.Context().Err() == nil
	if s, ok := u.x.W.(stopper); ok {
		s.StopBody()
	}
}

// takeBack returns when nobody reads the client's body any more.
func (u *upload) takeBack() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.interruptLocked()
	if u.lapse != nil {
		u.lapse.Stop()
	}
	for u.reading {
		u.idle.Wait()
	}
	u.rest = nil
}

// ended reports whether all of the client's body was read.
func (u *upload) ended() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err == io.EOF //nolint:errorlint // Body.Next returns io.EOF itself
}

// fault returns the error that the client's side made, nil when it made none.
func (u *upload) fault() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.broken || u.err == io.EOF { //nolint:errorlint // Body.Next returns io.EOF itself
		return nil
	}
	return u.err
}
