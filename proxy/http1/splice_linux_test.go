//go:build !386 && !s390x

package http1

import (
	"syscall"
	"testing"
)

// TestPipesAreBounded in use and at rest, and none outlives the server.
func TestPipesAreBounded(t *testing.T) {
	var s pipes
	var all []*pipe
	for range maxPipes {
		p := s.get()
		if p == nil {
			t.Fatalf("only %d pipes", len(all))
		}
		all = append(all, p)
	}
	if s.get() != nil {
		t.Error("one too many")
	}
	s.put(all[0], false) // has bytes in it, so it must not come back
	if p := s.get(); p == nil {
		t.Error("none for the one that is closed")
	} else {
		all[0] = p
	}
	for _, p := range all {
		s.put(p, true)
	}
	if len(s.idle) != maxIdlePipes || s.open != maxIdlePipes {
		t.Errorf("%d idle, %d open", len(s.idle), s.open)
	}
	last := s.get()
	s.disable()
	s.close()
	s.put(last, true)
	if s.open != 0 || s.get() != nil {
		t.Errorf("%d open at the end", s.open)
	}
}

// TestSpliceThroughAPipe takes as much as it is asked to.
func TestSpliceThroughAPipe(t *testing.T) {
	a, b, p := newPipe(), newPipe(), newPipe()
	for _, q := range []*pipe{a, b, p} {
		if q == nil {
			t.Fatal("no pipe")
		}
		defer q.close()
	}
	if _, e := splice(a.r, p.w, 10); e != syscall.EAGAIN {
		t.Errorf("from an empty one: %v", e)
	}
	if _, err := syscall.Write(a.w, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n, e := splice(a.r, p.w, 3); n != 3 || e != 0 {
		t.Errorf("%d, %v", n, e)
	}
	if n, e := splice(p.r, b.w, 10); n != 3 || e != 0 {
		t.Errorf("%d, %v", n, e)
	}
	got := make([]byte, 10)
	if n, err := syscall.Read(b.r, got); err != nil || string(got[:n]) != "hel" {
		t.Errorf("%q, %v", got[:n], err)
	}
}
