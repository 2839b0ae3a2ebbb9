//go:build !386 && !s390x

package splice

import (
	"syscall"
	"testing"
)

// TestPipesAreBounded in use and at rest, and none outlives the server.
func TestPipesAreBounded(t *testing.T) {
	var s Pipes
	var all []*Pipe
	for range maxPipes {
		p := s.Get()
		if p == nil {
			t.Fatalf("only %d pipes", len(all))
		}
		all = append(all, p)
	}
	if s.Get() != nil {
		t.Error("one too many")
	}
	s.Put(all[0], false) // has bytes in it, so it must not come back
	if p := s.Get(); p == nil {
		t.Error("none for the one that is closed")
	} else {
		all[0] = p
	}
	for _, p := range all {
		s.Put(p, true)
	}
	if len(s.idle) != maxIdlePipes || s.open != maxIdlePipes {
		t.Errorf("%d idle, %d open", len(s.idle), s.open)
	}
	last := s.Get()
	s.Disable()
	s.Close()
	s.Put(last, true)
	if s.open != 0 || s.Get() != nil {
		t.Errorf("%d open at the end", s.open)
	}
}

// TestSpliceThroughAPipe takes as much as it is asked to.
func TestSpliceThroughAPipe(t *testing.T) {
	a, b, p := newPipe(), newPipe(), newPipe()
	for _, q := range []*Pipe{a, b, p} {
		if q == nil {
			t.Fatal("no pipe")
		}
		defer q.close()
	}
	if _, e := Move(a.R, p.W, 10); e != syscall.EAGAIN {
		t.Errorf("from an empty one: %v", e)
	}
	if _, err := syscall.Write(a.W, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, e := Move(a.R, p.W, 3); n != 3 || e != 0 {
		t.Errorf("%d, %v", n, e)
	}
	if n, e := Move(p.R, b.W, 10); n != 3 || e != 0 {
		t.Errorf("%d, %v", n, e)
	}
	got := make([]byte, 10)
	if n, err := syscall.Read(b.R, got); err != nil || string(got[:n]) != "hel" {
		t.Errorf("%q, %v", got[:n], err)
	}
}
