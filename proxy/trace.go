package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy/upstream"
)

// Tracer records the exchanges that are sampled.
type Tracer interface {
	// Record takes note of an exchange that has ended, at the time end. It keeps
	// nothing of x, whose response must not be looked at but for its status, and it
	// never waits.
	Record(x *Exchange, end limits.Time)
}

// Tracing says which exchanges are recorded, and by whom. It is immutable.
type Tracing struct {
	tracer      Tracer
	below       uint64 // a trace is sampled whose id's low 63 bits are
	parentBased bool
}

// NewTracing returns a tracing that samples the ratio, from 0 to 1, of all traces,
// by their ids: whoever does the same at the same ratio samples the same ones. With
// parentBased a trusted peer's decision is followed where there is one.
func NewTracing(t Tracer, ratio float64, parentBased bool) *Tracing {
	b := uint64(1 << 63)
	if ratio < 1 {
		b = uint64(math.Max(0, ratio) * (1 << 63))
	}
	return &Tracing{tracer: t, below: b, parentBased: parentBased}
}

// SetTracing changes which exchanges are recorded that begin from now on; nil turns
// it off.
func (p *Proxy) SetTracing(t *Tracing) { p.tracing.Store(t) }

// Trace is the part that an exchange has in a trace (W3C Trace Context). It is zero
// while tracing is off.
type Trace struct {
	// ID is the whole trace's.
	ID [16]byte
	// Span is the exchange's own, Parent the one that a trusted peer has named; that
	// is zero where the trace begins.
	Span, Parent [8]byte
	// Sampled says that the exchange is recorded.
	Sampled bool
	// Attempts are those to forward it, in order, where it is sampled. There are at
	// most MaxTracedAttempts, of which the last is the exchange's last.
	Attempts []TracedAttempt

	by      *Tracing
	parents bool // a parent has sampled it
	random  bool // a parent says that the id is random (level 2, section 3.2.2.5.2)
}

// MaxTracedAttempts bounds Trace.Attempts.
const MaxTracedAttempts = 16

// TracedAttempt is one attempt to forward an exchange.
type TracedAttempt struct {
	Span     [8]byte
	Endpoint *upstream.Endpoint
	// Start and Head are on the monotonic clock of Exchange.Start. Head is when the
	// response's head came, or the attempt had failed; 0 while neither has.
	Start, Head time.Duration
	// Status is the response's, 0 for none.
	Status int
	// Protocol is which HTTP the instance was spoken to by, 0 when the engine does not
	// say.
	Protocol Protocol
	// Err is why there is no response, nil when there is one.
	Err *ForwardError
}

// Flags of a traceparent.
const (
	flagSampled = 1
	flagRandom  = 2
)

// Trace returns the exchange's part in a trace, to be read only.
func (x *Exchange) Trace() *Trace { return &x.trace }

// resetTrace forgets the last exchange's.
func (x *Exchange) resetTrace() {
	t := &x.trace
	clear(t.Attempts)
	t.Attempts = t.Attempts[:0]
	t.by, t.Sampled, t.parents, t.random = nil, false, false, false
	t.Parent = [8]byte{}
}

// beginTrace finds out which trace the exchange is a part of, and whether it is
// recorded. Nobody but a trusted peer may say so, and identify has removed what
// others have.
func (x *Exchange) beginTrace(f *Fields) {
	t := &x.trace
	if t.by = x.p.tracing.Load(); t.by == nil {
		return
	}
	parent := onlyTraceparent(f)
	if parent != nil {
		t.continues(parent)
	} else {
		putRandom(t.ID[:8], 1)
		putRandom(t.ID[8:], 0)
		t.random = true
	}
	if t.Sampled = t.by.samples(t, parent != nil); t.Sampled || parent == nil || t.parents {
		putRandom(t.Span[:], 1)
	}
}

// continues takes over a valid traceparent.
func (t *Trace) continues(parent []byte) {
	var flags [1]byte
	_, _ = hex.Decode(t.ID[:], parent[3:35]) // it is valid
	_, _ = hex.Decode(t.Parent[:], parent[36:52])
	_, _ = hex.Decode(flags[:], parent[53:55])
	t.parents, t.random = flags[0]&flagSampled != 0, flags[0]&flagRandom != 0
}

func (t *Tracing) samples(of *Trace, parent bool) bool {
	if parent && t.parentBased {
		return of.parents
	}
	return binary.BigEndian.Uint64(of.ID[8:])>>1 < t.below
}

// unsample leaves an exchange out that is nobody's request, such as a load
// balancer's look.
func (t *Trace) unsample() { t.Sampled = false }

// passes reports whether a received traceparent goes on as it is: nobody records
// anything, so there is nothing that the instance could be told of.
func (t *Trace) passes() bool { return t.by == nil || !t.Sampled && !t.parents }

// appendParent writes the traceparent of what the exchange causes.
func (t *Trace) appendParent(b []byte) []byte {
	var flags byte
	if t.Sampled {
		flags |= flagSampled
	}
	if t.random {
		flags |= flagRandom
	}
	b = append(b, "00-00000000000000000000000000000000-0000000000000000-00"...)
	v := b[len(b)-55:]
	hex.Encode(v[3:], t.ID[:])
	hex.Encode(v[36:], t.Span[:])
	v[54] = hexDigits[flags]
	return b
}

// beginAttempt notes an attempt to forward a sampled exchange, and makes it the
// parent of what the instance does.
func (x *Exchange) beginAttempt(ep *upstream.Endpoint, start time.Duration) {
	t := &x.trace
	if !t.Sampled {
		return
	}
	a := TracedAttempt{Endpoint: ep, Start: start}
	putRandom(a.Span[:], 1)
	if n := len(t.Attempts); n < MaxTracedAttempts {
		t.Attempts = append(t.Attempts, a)
	} else {
		t.Attempts[n-1] = a
	}
	f := &x.Request.Fields
	if i := f.Next(Traceparent, 0); i >= 0 { // which editRequest has written
		hex.Encode(f.Value(i)[36:52], a.Span[:])
	}
}

// endAttempt notes how the last attempt went; nil means that the response's head is
// here.
func (x *Exchange) endAttempt(err *ForwardError) {
	t := &x.trace
	if !t.Sampled {
		return
	}
	a := &t.Attempts[len(t.Attempts)-1]
	a.Head, a.Err, a.Protocol = x.UpstreamEnd, err, x.Upstream
	if err == nil {
		a.Status = x.Response.Status
	}
}

// putRandom fills eight bytes with a random number, in which the given bits are set.
func putRandom(b []byte, set uint64) {
	binary.BigEndian.PutUint64(b, rand.Uint64()|set) //nolint:gosec // an id, not a secret
}
