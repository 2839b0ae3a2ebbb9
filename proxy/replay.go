package proxy

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/lictor/lictor/limits"
)

// Replay takes a request of the past through a table, by the same code that serves
// one, as far as where an instance would be needed. The moment is the caller's to
// say, so that limits decide as they would have then. It needs what Serve needs of x
// but W. Nothing is counted, logged or forwarded, but limits are charged: the
// steps are to be those of a table of its own.
//
// x is as the steps left it until the next Replay. What it holds is the
// caller's to end, see Holds, and is nothing if the request was answered.
func (p *Proxy) Replay(t *Table, x *Exchange, start limits.Time) (admitted bool) {
	x.Unhold(0)
	x.begin(p)
	x.W, x.Start, x.explained = unheard{}, start, true
	if admitted = x.admit(t, run); !admitted {
		x.Unhold(0)
	}
	return admitted
}

// Holds is what an exchange held of limiters of what is in flight. The zero value
// is nothing.
type Holds struct{ all []held }

// TakeHolds takes from the exchange what it holds.
func (x *Exchange) TakeHolds() Holds {
	if len(x.held) == 0 {
		return Holds{}
	}
	h := Holds{slices.Clone(x.held)}
	clear(x.held)
	x.held = x.held[:0]
	return h
}

// Empty reports whether nothing is held.
func (h Holds) Empty() bool { return len(h.all) == 0 }

// End gives it all back. It must be called once.
func (h Holds) End() {
	for _, one := range h.all {
		one.by.End(one.hold)
	}
}

// unheard is a client that has long been answered. It implements Responder.
type unheard struct{}

func (unheard) Interim(int, *Fields) error          { return nil }
func (unheard) Head(*Response) error                { return nil }
func (unheard) Body([]byte) error                   { return nil }
func (unheard) Flush() error                        { return nil }
func (unheard) End(*Fields) error                   { return nil }
func (unheard) Abort()                              {}
func (unheard) Tunnel() (io.ReadWriteCloser, error) { return nil, errors.ErrUnsupported }
func (unheard) Context() context.Context            { return context.Background() }
