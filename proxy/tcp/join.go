package tcp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/proxy"
)

// halfIdle bounds the silence of a passage that only goes one way any more, on a
// route without an idle timeout. Who has closed everything looks just like who has
// merely nothing to add.
const halfIdle = time.Minute

// joint is a passage whose two connections carry on what comes from the other.
type joint struct {
	g     *passage
	moved atomic.Int64 // bytes both ways: progress

	first atomic.Pointer[lane] // the way that ended before the other one

	mu     sync.Mutex
	unwait func() // ends the watch over silence; nil while there is none
}

// lane is one way of a joint.
type lane struct {
	*joint
	from, to  net.Conn
	who, whom string // at the two ends
	n         int64  // bytes carried
	figure    *atomic.Uint64
}

// Join implements proxy.Passage. When one way ends, its end is passed on and the
// other goes on until it ends, too.
func (g *passage) Join(x *proxy.Exchange) error {
	j := &joint{g: g}
	defer j.stop()
	if d := x.Route.IdleTimeout; d > 0 {
		j.watch(d)
	}
	m := x.Route.Passages
	in := lane{joint: j, from: g.down, to: g.up, who: "client", whom: "instance", figure: &m.BytesIn}
	out := lane{joint: j, from: g.up, to: g.down, who: "instance", whom: "client", figure: &m.BytesOut}
	var both sync.WaitGroup
	both.Go(out.run)
	in.first(g.early)
	in.run()
	both.Wait()
	x.BytesIn, x.BytesOut = in.n, out.n
	why := g.ended()
	if errors.Is(why, io.EOF) {
		why = nil
	}
	if out.n == 0 && j.endedBy(&out, why) && g.e.o.Unanswered != nil {
		if fe := g.e.o.Unanswered(x, why); fe != nil {
			return fe
		}
	}
	return why
}

// endedBy reports whether it was the instance, whose way is given, that has ended the
// passage.
func (j *joint) endedBy(out *lane, why error) bool {
	if why == nil {
		return j.first.Load() == out
	}
	b, ok := errors.AsType[*brokenOff](why)
	return ok && b.whom == out.who
}

// first carries what was read before.
func (l *lane) first(early []byte) {
	if len(early) == 0 {
		return
	}
	n, err := l.to.Write(early)
	l.count(n)
	l.g.early = nil
	if err != nil {
		l.g.end(l.broken("writing to the", l.whom, err))
	}
}

// run carries until the end of one way, and passes that on.
func (l *lane) run() {
	err := l.carry()
	l.joint.first.CompareAndSwap(nil, l)
	if err != nil {
		l.g.end(err)
		return
	}
	half, ok := l.to.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil { // whoever is there hears of it so
		l.g.end(io.EOF)
		return
	}
	if l.g.route.IdleTimeout <= 0 {
		l.watch(halfIdle)
	}
}

// copyThrough is carry for connections of any kind.
func (l *lane) copyThrough() error {
	space := l.g.e.spaces.Get().(*[]byte)
	defer l.g.e.spaces.Put(space)
	b := *space
	for {
		n, err := l.from.Read(b)
		if n > 0 {
			m, err := l.to.Write(b[:n])
			l.count(m)
			if err != nil {
				return l.broken("writing to the", l.whom, err)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return l.broken("reading from the", l.who, err)
		}
	}
}

func (l *lane) count(n int) {
	l.n += int64(n)
	l.moved.Add(int64(n))
	l.figure.Add(uint64(n)) //nolint:gosec // no write is negative
}

func (l *lane) broken(doing, whom string, err error) error {
	return &brokenOff{doing, whom, err}
}

// brokenOff says that a way could not be carried on, and at which end.
type brokenOff struct {
	doing, whom string
	err         error
}

func (b *brokenOff) Error() string { return fmt.Sprintf("%s %s: %v", b.doing, b.whom, b.err) }
func (b *brokenOff) Unwrap() error { return b.err }

// watch ends the passage after silence.
func (j *joint) watch(idle time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unwait == nil {
		j.unwait = proxy.WatchIdle(&j.moved, idle, func() { j.g.end(errSilent) })
	}
}

func (j *joint) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unwait != nil {
		j.unwait()
	}
}
