package http1

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// idleConn returns a connection for a pool, and a function that tells whether it
// has been closed.
func idleConn(t *testing.T) (*upConn, func() bool) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return newUpConn(ours, nil), func() bool {
		_ = theirs.SetReadDeadline(past)
		_, err := theirs.Read(make([]byte, 1))
		return errors.Is(err, io.EOF)
	}
}

func TestPoolUsesTheYoungestFirst(t *testing.T) {
	p := &pool{}
	defer p.Close()
	a, _ := idleConn(t)
	b, _ := idleConn(t)
	if !p.put(a) || !p.put(b) {
		t.Fatal("an empty pool has no room")
	}
	if p.take() != b || p.take() != a || p.take() != nil {
		t.Error("not the youngest first, or not each once")
	}
}

func TestPoolIsBounded(t *testing.T) {
	p := &pool{}
	defer p.Close()
	u, _ := idleConn(t)
	for range maxIdle {
		if !p.put(u) {
			t.Fatal("no room within the bound")
		}
	}
	if p.put(u) {
		t.Error("room beyond the bound")
	}
}

// TestPoolAges shows that a connection is closed once it has been idle for a
// whole tick, and not because one before it is.
func TestPoolAges(t *testing.T) {
	p := &pool{timer: time.NewTimer(time.Hour)} // ticks are made by hand
	defer p.Close()
	old, oldClosed := idleConn(t)
	used, usedClosed := idleConn(t)
	p.put(old)
	p.age()
	if oldClosed() {
		t.Fatal("a connection was closed within its first tick")
	}
	p.put(used)
	p.age()
	if !oldClosed() || usedClosed() {
		t.Fatalf("closed: %v of the one idle for a tick, %v of the other", oldClosed(), usedClosed())
	}
	if p.take() != used || p.take() != nil {
		t.Error("the pool holds something else")
	}
}

func TestClosedPoolKeepsNothing(t *testing.T) {
	p := &pool{}
	a, closed := idleConn(t)
	p.put(a)
	p.Close()
	if !closed() {
		t.Error("an idle connection stayed open")
	}
	b, _ := idleConn(t)
	if p.put(b) {
		t.Error("a closed pool took a connection")
	}
}
