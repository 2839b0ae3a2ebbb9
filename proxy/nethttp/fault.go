package nethttp

import (
	"context"
	"errors"
	"io"

	"github.com/lictor/lictor/proxy"
)

// fault says what a failure of the transport's means. The call need not be
// finished yet, but RoundTrip must have returned.
func (c *call) fault(err error) *proxy.ForwardError {
	fe := &proxy.ForwardError{Cause: proxy.Broke, Sent: c.wasSent(), Received: c.wasAnswered() || c.inBody.Load(), Err: err}
	if c.upload != nil {
		if client := c.upload.fault(); client != nil {
			fe.Cause, fe.Err = proxy.ClientBad, client
			if own := (*proxy.ForwardError)(nil); errors.As(client, &own) {
				fe.Cause = own.Cause
			}
			return fe
		}
	}
	var dial *dialError
	switch cause := context.Cause(c.ctx); {
	case errors.Is(err, errHeadTimeout), errors.Is(cause, errHeadTimeout), errors.Is(cause, errIdle):
		fe.Cause = proxy.TimedOut
		if cause != nil {
			fe.Err = cause
		}
	case errors.Is(cause, errNotTaken), c.conn != nil && c.conn.stalled.Load():
		fe.Cause, fe.Err = proxy.TimedOut, errNotTaken
	case errors.Is(cause, errReplays):
		fe.Err = cause
	case c.x.W.Context().Err() != nil && !c.interrupted():
		fe.Cause = proxy.ClientGone
	case errors.As(err, &dial):
		fe.Cause = proxy.Refused
	case c.many:
		if unprocessed(err) != processed {
			fe.Sent = false
		}
	case c.tries == 0:
		fe.Cause = proxy.ClientBad // the transport would not even begin with such a request
	}
	if c.interrupted() {
		fe.Received = true // the client's body is lost, so nobody else can be asked
	}
	return fe
}

// interrupted reports whether a read from the client was broken off, and not just
// when it came to the body's end.
func (c *call) interrupted() bool {
	if c.upload == nil {
		return false
	}
	c.upload.mu.Lock()
	defer c.upload.mu.Unlock()
	return c.upload.broken && c.upload.err != io.EOF //nolint:errorlint // Body.Next returns io.EOF itself
}

// wait begins to wait for a piece of the body, waited ends it.
func (c *call) wait() {
	if c.idle > 0 {
		c.alarm.start(c.idle)
	}
}

func (c *call) waited() { c.alarm.stop() }
