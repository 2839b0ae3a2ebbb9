package http1

import (
	"errors"

	"github.com/lictor/lictor/proxy"
)

// verdict is how it goes on with a connection.
type verdict uint8

const (
	more    verdict = iota // when more bytes are here
	outside                // with an exchange that reads, where that is allowed
	last                   // not at all
	parsed                 // with a head that has been parsed
)

// serveBuffered serves the requests whose heads are here, one after the other.
// inside says that nothing may be read from the client.
func (c *conn) serveBuffered(inside bool) verdict {
	for {
		if !c.parsed {
			if v := c.scan(); v != parsed {
				return v
			}
			c.parsed = true
		}
		if inside && c.w.reads() {
			return outside
		}
		c.parsed = false
		if !c.exchange() {
			return last
		}
	}
}

// scan looks for the next request's head.
func (c *conn) scan() verdict {
	w := c.w
	skipped, err := w.scan.skip(w.in[w.r:w.n])
	if skipped > 0 {
		w.r += skipped
		w.scan.seen = 0
	}
	b := w.in[w.r:w.n]
	if err == nil && len(b) == 0 {
		w.r, w.n = 0, 0
		return more
	}
	ok := false
	if err == nil {
		ok, err = w.scan.whole(b, c.s.o.MaxHeaderBytes)
	}
	if err == nil && !ok {
		return more
	}
	if err == nil && c.fresh && c.s.o.H2 != nil && !c.secure && isPreface(b) {
		c.h2 = true
		return last
	}
	if err == nil {
		w.head, err = parseRequest(b, &w.x.Request, &w.fr)
	}
	w.scan = headScan{}
	c.fresh, c.heading = false, false
	if err != nil {
		c.refuse(err)
		return last
	}
	return parsed
}

func isPreface(b []byte) bool { return len(b) >= len(preface) && string(b[:len(preface)]) == preface }

// reads reports whether serving the request may need to read from the client.
func (w *work) reads() bool {
	switch w.fr.end {
	case noBody:
		return w.fr.upgrade
	case byLength:
		return int64(w.n-w.r-w.head) < w.fr.length
	default:
		return true
	}
}

// exchange serves the request that has been parsed. It reports false when the
// connection ends with it.
func (c *conn) exchange() bool {
	w := c.w
	x := &w.x
	hasBody := w.fr.end != noBody
	if hasBody {
		w.b.begin(w, w.in, w.r+w.head, w.n, &w.fr, &x.Request.Fields)
		x.Request.Body = &w.b
	}
	w.w.begin(hasBody)
	c.seq.Add(1)
	c.s.handler.Serve(x)
	c.seq.Add(1)
	return c.endExchange(hasBody)
}

// endExchange tidies up and finds where the next request begins.
func (c *conn) endExchange(hasBody bool) bool {
	w := c.w
	w.w.end()
	switch {
	case c.taken:
		return false
	case w.w.aborted:
		if w.w.fr.end == byClose {
			reset(c.sock) // else it would look like the end of the body
		}
		if hasBody {
			w.b.release()
		}
		return false
	case !hasBody:
		w.r += w.head
	default:
		kept := !w.b.unfinished() || (!w.w.last && c.drain())
		c.polite = c.polite || !kept
		if kept {
			if c.stopped.Swap(false) { // too late to do harm
				c.readBy.lost()
			}
			if w.b.space == nil {
				w.r = w.b.r
			} else {
				w.putBack(w.b.leftover())
			}
		}
		w.b.release()
		if !kept {
			return false
		}
	}
	if w.w.last {
		c.polite = c.polite || w.r < w.n
		return false
	}
	return true
}

// refuse answers a message that is no request, after which nothing on the
// connection has a meaning any more.
func (c *conn) refuse(err error) {
	c.polite = true
	w := c.w
	w.forgetRequest()
	w.fr = framing{close: true}
	w.w.begin(false)
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		e = errVersion
	}
	if c.s.refuser == nil {
		_ = c.write(appendRefusal(w.w.out[:0], e, nil, *c.s.date.Load())) // the connection ends anyway
		return
	}
	c.seq.Add(1)
	c.s.refuser.Refuse(&w.x, e.Problem, e.reason, e)
	c.seq.Add(1)
	w.w.end()
}

// clientCause says whose fault a failure to read from the client is.
func clientCause(err error) proxy.Cause {
	if e := (*Error)(nil); errors.As(err, &e) {
		return proxy.ClientBad
	}
	if isTimeout(err) {
		return proxy.ClientSlow
	}
	return proxy.ClientGone
}
