package nethttp

import (
	"context"
	"net"
	"net/http"
	"time"
)

const (
	// maxIdle bounds the idle connections to one endpoint.
	maxIdle = 256
	// idleTimeout is less than the 60 seconds and more after which servers
	// close an idle connection, so that it is us who do.
	idleTimeout = 55 * time.Second
	// maxHead bounds the head of a response, in bytes.
	maxHead = 256 << 10
)

// transport holds the connections by HTTP/1.1 to one endpoint that are made in one
// way.
type transport struct {
	*http.Transport
	way *way
}

func newTransport(w *way) *transport {
	t := &transport{way: w}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t.Transport = &http.Transport{
		DialContext:            t.dial,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHead,
		Protocols:              protocols,
	}
	return t
}

// dial connects to the endpoint; what it is asked for is the same thing said
// otherwise. A host name is resolved each time.
func (t *transport) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if d, ok := ctx.Value(connectTimeout{}).(time.Duration); ok && d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	c, err := t.way.connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, born: time.Now()}, nil
}

// Close closes the idle connections. One that is handed back later is closed
// by then.
func (t *transport) Close() {
	t.way.closed.Store(true)
	t.CloseIdleConnections()
}
