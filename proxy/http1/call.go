package http1

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/lictor/lictor/proxy"
)

// maxReplyHead bounds the head of a response, in bytes.
const maxReplyHead = 256 << 10

// call carries one exchange to an instance. It stays with its Exchange and is
// used again.
type call struct {
	f    *Forwarder
	x    *proxy.Exchange
	pool *pool
	u    *upConn    // nil when none is held
	ours *responder // the client's half, if it is this engine's
	stop func() bool

	out    []byte // the request's head, and the body as far as it was here
	left   int64  // of the body is in neither; below 0 in chunks
	rest   []byte // of the body, lent, when out has no room for it
	vec    net.Buffers
	pieces [3][]byte

	prepared bool // out and rest have been filled
	whole    bool // out is the whole request
	streams  bool // the rest of the body is sent by another goroutine
	reused   bool // u was idle
	fresh    bool // u must not have been
	sent     bool // some byte may have reached the instance
	received bool
	inBody   bool
	bounded  bool // the wait for a piece of the body has an end
	until    time.Duration

	onStall func(n int, err error) error // resume

	in   []byte // in[r:n] was received and not used up
	r, n int
	scan headScan
	fr   framing
	body body
	up   upload
	in0  [upInSize]byte
	out0 [upOutSize]byte
}

func newCall(f *Forwarder, x *proxy.Exchange) *call {
	k := &call{f: f, x: x}
	k.in, k.out = k.in0[:], k.out0[:0]
	k.onStall = k.resume
	k.up.init(k)
	return k
}

// begin makes k ready for x's next attempt.
func (k *call) begin(p *pool) {
	k.pool, k.rest = p, nil
	k.prepared, k.whole, k.streams, k.fresh = false, false, false, false
	k.ours, _ = k.x.W.(*responder)
	k.up.reset()
	r := &k.x.Response
	r.Status, r.Length, r.Body, r.Tunnel = 0, 0, nil, nil
}

// now reads the pipeline's clock.
func (k *call) now() time.Duration { return k.x.Start.Mono + k.x.Elapsed() }

// time is what a pool's budget is asked with.
func (k *call) time() time.Time { return time.Now() }

// prepare writes the head, and as much of the body as is here, so that most
// requests are one write. There is a connection by then: as long as nothing of
// the body has been read, another instance may be asked whatever the method.
func (k *call) prepare() *proxy.ForwardError {
	k.prepared = true
	if cap(k.out) > keptSize {
		k.out = k.out0[:0]
	}
	var err error
	if k.out, err = appendRequest(k.out[:0], k.x); err != nil {
		return &proxy.ForwardError{Cause: proxy.ClientBad, Err: err}
	}
	b := k.x.Request.Body
	if b == nil {
		k.whole = true
		return nil
	}
	k.left = k.x.Request.Length
	for k.rest == nil && b.Ready() {
		p, err := b.Next()
		switch {
		case err == io.EOF: //nolint:errorlint // Body.Next returns io.EOF itself
			if k.x.Request.Length < 0 {
				k.out = appendLastChunk(k.out, b.Trailer())
			}
			k.whole = true
			return nil
		case err != nil:
			return clientFault(err)
		case len(p) == 0: // which as a chunk would be the last
		case len(k.out)+len(p)+maxChunkHead > cap(k.out):
			k.rest = p
			if k.left < 0 {
				k.out = appendChunkHead(k.out, len(p))
				break
			}
			k.left -= int64(len(p))
			k.whole = k.left == 0 // the end need not be asked for
		case k.left < 0:
			k.out = appendChunk(k.out, p)
		default:
			k.left -= int64(len(p))
			k.out = append(k.out, p...)
		}
	}
	return nil
}

// attempt sends the request on one connection and reads the head of the
// response. The call must be finished whatever becomes of it.
func (k *call) attempt() *proxy.ForwardError {
	k.sent, k.received, k.inBody = false, false, false
	k.r, k.n = 0, 0
	if fe := k.connect(); fe != nil {
		return fe
	}
	k.watch()
	if !k.prepared {
		if fe := k.prepare(); fe != nil {
			return fe
		}
	}
	send := k.send
	if k.whole && k.rest == nil && k.u.raw.usable() {
		send = k.swap
	}
	if fe := send(); fe != nil {
		return fe
	}
	return k.readHead()
}

// connect takes an idle connection, or makes one.
func (k *call) connect() (fe *proxy.ForwardError) {
	if left, bounded := k.remaining(); bounded && left <= 0 {
		return &proxy.ForwardError{Cause: proxy.TimedOut, Err: errHeadTimeout}
	}
	for !k.fresh {
		u := k.pool.take()
		if u == nil {
			break
		}
		if k.fits(u) {
			k.u, k.reused = u, true
			u.writtenBy(k.onStall)
			return nil
		}
		u.leave()
	}
	k.reused = false
	if k.u, fe = k.dial(); fe == nil {
		k.u.writtenBy(k.onStall)
	}
	return fe
}

// fits reports whether an idle connection may be used.
func (k *call) fits(u *upConn) bool {
	if k.pool.aging != nil && !k.pool.aging.Fresh(k.now()-u.born) {
		return false
	}
	return u.quiet()
}

// remaining returns the time until the head must be there, as it was when the attempt
// began.
func (k *call) remaining() (time.Duration, bool) {
	return k.x.Deadline - k.x.UpstreamStart, k.x.Deadline != 0
}

// watch makes sure that a client who goes away is noticed.
func (k *call) watch() {
	if k.ours != nil {
		k.ours.w.c.waiting.Store(k.u)
		return
	}
	if ctx := k.x.W.Context(); ctx.Done() != nil {
		k.stop = context.AfterFunc(ctx, k.u.wake)
	}
}

func (k *call) unwatch() {
	if k.ours != nil {
		k.ours.w.c.waiting.Store(nil)
	}
	if k.stop != nil {
		k.stop()
		k.stop = nil
	}
}

// clientGone reports whether the client is known to have gone.
func (k *call) clientGone() bool {
	if k.ours != nil {
		return k.ours.isGone()
	}
	// net/http ends the context just before a read of the body fails, be it because
	// the client went away or because it was silent for too long: what that read
	// says comes next, and tells the two apart.
	return k.x.W.Context().Err() != nil && !k.up.tells()
}

// send sends what has been prepared, and starts the upload of what is not here.
func (k *call) send() *proxy.ForwardError {
	if k.rest == nil {
		if err := k.write(k.out); err != nil {
			return k.fault(err)
		}
	} else {
		k.pieces[0], k.pieces[1], k.pieces[2] = k.out, k.rest, nil
		if k.x.Request.Length < 0 {
			k.pieces[2] = lineEnd
		}
		if err := k.writeAll(); err != nil {
			return k.fault(err)
		}
	}
	if !k.whole {
		k.streams = true
		k.up.start()
	}
	return nil
}

// readHead reads heads up to the final one.
func (k *call) readHead() *proxy.ForwardError {
	k.scan = headScan{}
	for {
		ok, err := k.scan.whole(k.in[k.r:k.n], maxReplyHead)
		if err != nil {
			return k.fault(err)
		}
		if !ok {
			k.makeRoom()
			n, err := k.fill(k.in[k.n:])
			if err == io.EOF { //nolint:errorlint // fill returns io.EOF itself
				return k.fault(io.ErrUnexpectedEOF)
			}
			if err != nil {
				return k.fault(err)
			}
			k.n += n
			continue
		}
		r := &k.x.Response
		n, err := parseResponse(k.in[k.r:k.n], k.x.Request.Verb, r, &k.fr)
		if err != nil {
			return k.fault(err)
		}
		k.r += n
		k.scan = headScan{}
		switch {
		case r.Status == 101:
			return k.tunnel()
		case r.Status >= 200:
			return k.accept()
		case r.Status != 100: // which is between the instance and us
			if err := k.x.W.Interim(r.Status, &r.Fields); err != nil {
				fe := k.fault(err)
				fe.Cause = proxy.ClientGone
				return fe
			}
		}
	}
}

// makeRoom lets at least one more byte of a head be read.
func (k *call) makeRoom() {
	if k.n < len(k.in) {
		return
	}
	if k.r > 0 {
		k.n = copy(k.in, k.in[k.r:k.n])
		k.r = 0
		return
	}
	in := make([]byte, min(2*len(k.in), maxReplyHead+1))
	copy(in, k.in)
	k.in = in
}

// accept makes the final head the exchange's.
func (k *call) accept() *proxy.ForwardError {
	if k.fr.end == noBody {
		k.up.takeBack() // before the head goes out: it says how the connection goes on
		return nil
	}
	k.inBody = true
	k.body.begin(k, k.in, k.r, k.n, &k.fr, &k.x.Response.Fields)
	k.x.Response.Body = &k.body
	return nil
}

// tunnel makes the connection a stream. It stays the call's.
func (k *call) tunnel() *proxy.ForwardError {
	k.unwatch()
	if err := k.u.nc.SetDeadline(time.Time{}); err != nil {
		return k.fault(err)
	}
	k.u.writtenBy(nil)
	k.x.Response.Tunnel = &replayed{Conn: k.u.nc, early: k.in[k.r:k.n]}
	k.u.readBy.lost()
	return nil
}

// finish gives the connection back, if the whole exchange went well, or closes
// it. It does nothing when none is held.
func (k *call) finish(complete bool) {
	u := k.u
	if u == nil {
		return
	}
	k.unwatch()
	sent := k.up.takeBack()
	if k.streams && sent && k.x.Deadline != 0 {
		k.x.Deadline = k.up.ended + k.x.Route.Timeout // for another attempt
	}
	k.u = nil
	r := &k.x.Response
	keep := complete && sent && !k.fr.close && r.Tunnel == nil
	if k.inBody {
		keep = keep && !k.body.unfinished() && len(k.body.leftover()) == 0
		k.body.release()
		k.inBody = false
	} else {
		keep = keep && k.r == k.n
	}
	u.writtenBy(nil)
	switch {
	case !complete || !sent:
		u.cut()
	case !keep || k.x.UpstreamEnd-u.born > maxAge || !k.pool.put(u):
		u.leave()
	}
	if len(k.in) > keptSize {
		k.in = k.in0[:]
	}
}
