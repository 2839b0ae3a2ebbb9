package agent

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/proxy"
)

// turnstile is a listener that lets in whom it is given.
type turnstile struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (s turnstile) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s turnstile) Close() error {
	close(s.closed)
	return nil
}

func (s turnstile) Addr() net.Addr { return &net.TCPAddr{} }

// late is an engine that takes its time to count whom it has let in.
type late struct {
	engine
	counts chan struct{}
	open   func(by int64) int64
}

func (l late) Serve(ln net.Listener) error {
	for {
		if _, err := ln.Accept(); err != nil {
			return nil
		}
		<-l.counts
		l.open(1)
	}
}

func (late) Retire() {}

// A listener that another process goes on with is left only when the last who was let
// in has been counted, and has gone.
func TestRetireWaitsForTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &proxy.Listener{}
		e := late{counts: make(chan struct{}), open: l.Open.Add}
		in := turnstile{make(chan net.Conn), make(chan struct{})}
		s := &server{engine: e, listener: l, ln: in, shut: make(chan struct{})}
		go func() { _ = s.Serve() }()
		in.conns <- nil
		retired := make(chan struct{})
		go func() {
			s.retire(context.Background())
			close(retired)
		}()
		for _, step := range []struct {
			what string
			next func()
			over bool
		}{
			{"nobody has counted who was let in", func() {}, false},
			{"who was let in is there", func() { e.counts <- struct{}{} }, false},
			{"nobody is left", func() { l.Open.Add(-1) }, true},
		} {
			step.next()
			time.Sleep(time.Minute) // by the clock of the bubble: all that can happen has by then
			select {
			case <-retired:
				if !step.over {
					t.Errorf("it was left while %s", step.what)
				}
			default:
				if step.over {
					t.Errorf("it was not left though %s", step.what)
				}
			}
		}
	})
}

// An engine that stops without ever having asked for a connection has got all.
func TestDoorwayNeverUsed(t *testing.T) {
	t.Parallel()
	d := &doorway{Listener: turnstile{make(chan net.Conn), make(chan struct{})}, shut: make(chan struct{})}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	<-d.shut
}

// A gateway that makes way before it has registered itself leaves that to the other.
func TestRetireBeforeRegistration(t *testing.T) {
	t.Parallel()
	a := new(Agent)
	a.Retire()
	if a.registers(nil) {
		t.Error("it registers after it has made way")
	}
}
