package proxy

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// half is one end of a stream whose ways end by themselves, as TCP's.
type half struct {
	*io.PipeReader
	*io.PipeWriter
}

// halves returns both ends of a stream.
func halves() (near, far *half) {
	toFar, fromNear := io.Pipe()
	toNear, fromFar := io.Pipe()
	return &half{toNear, fromNear}, &half{toFar, fromFar}
}

func (h *half) CloseWrite() error { return h.PipeWriter.Close() }

func (h *half) Close() error {
	h.PipeReader.Close()
	return h.PipeWriter.Close()
}

// stubborn can't end one way alone, although it looks as if it could.
type stubborn struct{ *half }

func (stubborn) CloseWrite() error { return errors.ErrUnsupported }

// joined is a join at work between a client and an instance.
type joined struct {
	client, instance *half
	ended            chan [2]int64
}

func startJoin(idle time.Duration, wrap func(*half) io.ReadWriteCloser) *joined {
	client, down := halves()
	instance, up := halves()
	j := &joined{client, instance, make(chan [2]int64, 1)}
	go func() {
		in, out := join(wrap(down), wrap(up), idle)
		j.ended <- [2]int64{in, out}
	}()
	return j
}

func plain(h *half) io.ReadWriteCloser { return h }

func wantAll(t *testing.T, from io.Reader, want string) {
	t.Helper()
	if b, err := io.ReadAll(from); err != nil || string(b) != want {
		t.Errorf("%q, %v, want %q", b, err, want)
	}
}

// TestOneWayEndsFirst: the end of one way is passed on, and what comes the other
// way afterwards still arrives.
func TestOneWayEndsFirst(t *testing.T) {
	for name, firstOf := range map[string]func(*joined) (first, second *half){
		"client":   func(j *joined) (_, _ *half) { return j.client, j.instance },
		"instance": func(j *joined) (_, _ *half) { return j.instance, j.client },
	} {
		t.Run(name, func(t *testing.T) {
			j := startJoin(0, plain)
			first, second := firstOf(j)
			go func() {
				_, _ = io.WriteString(first, "question") // the other end fails if it can't
				_ = first.CloseWrite()                   // a pipe's never fails
			}()
			wantAll(t, second, "question")
			answer := strings.Repeat("answer", 10_000)
			go func() {
				_, _ = io.WriteString(second, answer)
				_ = second.CloseWrite()
			}()
			wantAll(t, first, answer)
			n := <-j.ended
			if name == "instance" {
				n[0], n[1] = n[1], n[0]
			}
			if n != [2]int64{8, int64(len(answer))} {
				t.Errorf("%d bytes", n)
			}
			if _, err := first.Write([]byte("x")); err == nil {
				t.Error("the first end's stream is open")
			}
			if _, err := second.Write([]byte("x")); err == nil {
				t.Error("the second end's stream is open")
			}
		})
	}
}

// TestEndThatCannotBePassedOn ends both ways.
func TestEndThatCannotBePassedOn(t *testing.T) {
	for name, wrap := range map[string]func(*half) io.ReadWriteCloser{
		"none":  func(h *half) io.ReadWriteCloser { return struct{ io.ReadWriteCloser }{h} },
		"fails": func(h *half) io.ReadWriteCloser { return stubborn{h} },
	} {
		t.Run(name, func(t *testing.T) {
			j := startJoin(0, wrap)
			_ = j.client.CloseWrite() // a pipe's never fails
			wantAll(t, j.instance, "")
			wantAll(t, j.client, "")
			<-j.ended
		})
	}
}

// TestBrokenWayEndsBoth: after a failure nothing is left to be finished.
func TestBrokenWayEndsBoth(t *testing.T) {
	j := startJoin(0, plain)
	_ = j.instance.PipeReader.Close() // takes nothing any more
	if _, err := io.WriteString(j.client, "x"); err != nil {
		t.Fatal(err)
	}
	wantAll(t, j.client, "")
	<-j.ended
}

// TestHalfOpenTunnelIdles: what goes one way only is not kept for ever, even if
// nothing else bounds it; and what moves is not idle.
func TestHalfOpenTunnelIdles(t *testing.T) {
	for _, idle := range []time.Duration{0, 5 * time.Minute} {
		t.Run(idle.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := startJoin(idle, plain)
				bound := halfIdle
				if idle > 0 {
					bound = idle
				} else {
					time.Sleep(1000 * time.Hour) // of the bubble's
				}
				_ = j.client.CloseWrite() // a pipe's never fails
				wantAll(t, j.instance, "")
				for range 5 {
					time.Sleep(bound - time.Second)
					go func() { _, _ = io.WriteString(j.instance, "more") }() // the reader fails if it can't
					if _, err := io.ReadFull(j.client, make([]byte, 4)); err != nil {
						t.Fatal(err)
					}
				}
				start := time.Now()
				wantAll(t, j.client, "")
				if n := <-j.ended; n != [2]int64{0, 20} {
					t.Errorf("%d bytes", n)
				}
				if took := time.Since(start); took < bound || took > 2*bound {
					t.Errorf("idle for %v", took)
				}
			})
		})
	}
}
