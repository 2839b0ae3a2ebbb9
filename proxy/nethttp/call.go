package nethttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/proxy"
)

var (
	errHeadTimeout = errors.New("no response within the route's timeout")
	errIdle        = errors.New("the instance was silent for longer than the route's idle timeout")
	errNotTaken    = errors.New("the instance took nothing of the request for longer than the route's idle timeout")
	errReplays     = errors.New("kept-alive connections broke, and sending again is not allowed")
)

// call is one attempt to get a response from one endpoint, until its body is
// done. It is not used again: the transport may hold on to parts of it.
type call struct {
	x      *proxy.Exchange
	way    *way
	t      *transport // nil by HTTP/2
	many   bool       // by HTTP/2, on a connection that many share
	mux    *muxConn   // which one; nil as long as there is none
	ctx    context.Context
	cancel context.CancelCauseFunc
	req    *http.Request
	url    url.URL
	trace  httptrace.ClientTrace
	upload *upload       // nil without a body
	idle   time.Duration // the route's; the connection may ask when x serves others already

	// alarm bounds the wait for the head, then each wait for a piece of the
	// body.
	alarm  alarm
	inBody atomic.Bool
	// sentAt is when all of the request had been sent, or it was given up; nil
	// before.
	sentAt atomic.Pointer[time.Time]

	// What follows is written on the goroutine that called RoundTrip.
	conn   *conn
	mark   int64 // conn.written when the request was about to be sent
	readAt int64 // conn.read then
	reused bool
	tries  int  // connections asked for
	sent   bool // to a connection before conn

	// What follows is set on the goroutines of a connection that many share.
	headSent atomic.Bool // the request's head, or a part of it
	answered atomic.Bool // an interim response came

	// mu keeps an interim response that comes late away from the client.
	mu   sync.Mutex
	over bool // RoundTrip has returned
}

func newCall(x *proxy.Exchange, t *transport) *call {
	c := &call{x: x, way: t.way, t: t, idle: x.Route.IdleTimeout}
	c.trace = httptrace.ClientTrace{GetConn: c.getConn, GotConn: c.gotConn, Got1xxResponse: c.interim}
	ctx := dialContext{x.W.Context(), x.Route.ConnectTimeout}
	c.ctx, c.cancel = context.WithCancelCause(httptrace.WithClientTrace(ctx, &c.trace))
	return c
}

// newMuxCall returns a call by HTTP/2.
func newMuxCall(x *proxy.Exchange, w *way) *call {
	c := &call{x: x, way: w, many: true, idle: x.Route.IdleTimeout}
	c.trace = httptrace.ClientTrace{WroteHeaders: func() { c.headSent.Store(true) }, Got1xxResponse: c.interim}
	c.ctx, c.cancel = context.WithCancelCause(httptrace.WithClientTrace(x.W.Context(), &c.trace))
	return c
}

// dialContext tells the dialer how long to wait for a connection. The transport
// may go on dialling when the call is over.
type dialContext struct {
	context.Context
	timeout time.Duration // 0 for no bound
}

// connectTimeout is the context key of that time.
type connectTimeout struct{}

// Value implements context.Context.
func (c dialContext) Value(key any) any {
	if key == (connectTimeout{}) {
		return c.timeout
	}
	return c.Context.Value(key)
}

// begin makes the request and starts the alarm; left is the time until the head
// must be there.
func (c *call) begin(left time.Duration, bounded bool) {
	c.build()
	c.alarm.ask, c.alarm.end = c.more, c.expire
	switch {
	case bounded:
		c.alarm.start(left)
	case c.many && c.upload != nil && c.idle > 0:
		c.alarm.start(c.idle) // an instance that takes nothing is not waited for
	}
}

// more is how much longer the instance may keep us waiting. That is counted from
// when the request has been sent: while a body is, the waits for either side are
// bounded one by one.
func (c *call) more() time.Duration {
	if c.upload == nil {
		return 0
	}
	if c.many {
		return c.moreMux()
	}
	most := c.x.Route.Timeout
	if c.inBody.Load() {
		most = c.idle
	}
	if at := c.sentAt.Load(); at != nil {
		return most - time.Since(*at)
	}
	return most
}

// wrote is called when the request has been written, or can't be.
func (c *call) wrote(httptrace.WroteRequestInfo) {
	now := time.Now()
	c.sentAt.Store(&now)
}

func (c *call) expire() {
	if c.many && c.stalled() {
		c.cancel(errNotTaken)
		return
	}
	if c.inBody.Load() {
		c.cancel(errIdle)
		return
	}
	c.cancel(errHeadTimeout)
}

// send sends the request and waits for the head of the response.
func (c *call) send() (*http.Response, error) {
	var rt http.RoundTripper = c.mux
	if !c.many {
		rt = c.t.Transport
	}
	resp, err := rt.RoundTrip(c.req)
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !c.alarm.stop() {
		resp.Body.Close()
		return nil, errHeadTimeout
	}
	c.inBody.Store(true)
	return resp, nil
}

// finish ends the call: afterwards nothing of the exchange is in use.
func (c *call) finish() {
	c.alarm.stop()
	if c.upload != nil {
		c.upload.takeBack()
		if at := c.sentAt.Load(); at != nil && c.x.Deadline != 0 && c.upload.ended() {
			c.x.Deadline = c.x.Start.Mono + c.x.Elapsed() - time.Since(*at) + c.x.Route.Timeout // for another attempt
		}
	}
	if c.conn != nil {
		c.conn.call.CompareAndSwap(c, nil)
	}
	c.cancel(nil)
}

// getConn is called before each connection is looked for. http.Transport sends
// a request without a body again by itself when a kept-alive connection broke
// before the response, whatever the pool's budget has left. So this allows one
// such, on a connection that was not idle, and asks the budget.
func (c *call) getConn(string) {
	c.tries++
	if c.tries == 1 {
		return
	}
	if !c.wasSent() {
		if c.tries > maxStale {
			c.cancel(errReplays)
		}
		return
	}
	if c.sent || !c.x.Route.Pool.Retry(time.Now()) {
		c.cancel(errReplays)
		return
	}
	c.t.CloseIdleConnections()
}

// maxStale bounds the connections that one call may find dead before it has
// sent anything.
const maxStale = 4

// gotConn is called when there is a connection.
func (c *call) gotConn(info httptrace.GotConnInfo) {
	c.sent = c.wasSent()
	c.sentAt.Store(nil)
	if c.conn != nil {
		c.conn.call.CompareAndSwap(c, nil)
	}
	c.conn, c.reused = under(info.Conn), info.Reused
	if c.conn == nil {
		return
	}
	c.mark, c.readAt = c.conn.written.Load(), c.conn.read.Load()
	c.conn.begin(c)
	if a := c.way.aging; a != nil && c.reused && !a.Fresh(time.Since(c.conn.born)) && c.req.Header["Connection"] == nil {
		c.req.Header["Connection"] = []string{"close"} // the last request on it, which nothing has been sent of
	}
}

// under returns our own connection below what the transport made of it.
func under(c net.Conn) *conn {
	for {
		switch t := c.(type) {
		case *conn:
			return t
		case interface{ NetConn() net.Conn }:
			c = t.NetConn()
		default:
			return nil
		}
	}
}

// wasSent reports whether some byte of the request may have reached the
// instance.
func (c *call) wasSent() bool {
	return c.sent || c.headSent.Load() || (c.conn != nil && c.conn.written.Load() != c.mark)
}

// wasAnswered reports whether some byte of a response was received.
func (c *call) wasAnswered() bool {
	return c.answered.Load() || c.conn != nil && c.conn.read.Load() != c.readAt
}

// interim passes an interim response on. 100 is between the instance and us.
func (c *call) interim(status int, h textproto.MIMEHeader) error {
	if c.conn != nil {
		c.conn.headEnd.Store(headUnknown)
	}
	c.answered.Store(true)
	if status == http.StatusContinue {
		return nil
	}
	var f proxy.Fields
	f.Reset(nil)
	if !take(&f, http.Header(h)) {
		return errTooManyFields
	}
	f.DropNominated()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return nil
	}
	return c.x.W.Interim(status, &f)
}
