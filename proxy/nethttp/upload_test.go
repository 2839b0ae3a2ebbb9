package nethttp

import (
	"context"
	"errors"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// stuck is a client's body that says nothing until it is stopped.
type stuck struct {
	proxy.Body
	asked  func()
	broken chan struct{}
}

func (b *stuck) Next() ([]byte, error) {
	b.asked()
	<-b.broken
	return nil, errSlow
}

// stopping is the client's side of a body that is stuck.
type stopping struct {
	proxy.Responder
	ctx  context.Context
	body *stuck
}

func (s *stopping) Context() context.Context { return s.ctx }

func (s *stopping) StopBody() { close(s.body.broken) }

var errSlow = &proxy.ForwardError{Cause: proxy.ClientSlow, Err: errors.New("nothing came")}

// TestUploadBrokenOff: a read that is broken off for the instance's sake is not the
// client's fault. One that has failed by itself is: net/http ends the request's
// context before that read returns, and the transport hastens to take the body back.
func TestUploadBrokenOff(t *testing.T) {
	for name, c := range map[string]struct {
		failed bool
		want   error
	}{"for the instance's sake": {false, nil}, "when the client has failed": {true, errSlow}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			reading, read := make(chan struct{}), make(chan struct{})
			b := &stuck{broken: make(chan struct{}), asked: func() {
				if c.failed {
					cancel()
				}
				close(reading)
			}}
			x := &proxy.Exchange{W: &stopping{ctx: ctx, body: b}}
			x.Request.Body = b
			u := newUpload(x)
			go func() {
				defer close(read)
				_, _ = u.Read(make([]byte, 8))
			}()
			<-reading
			u.takeBack()
			<-read
			if err := u.fault(); !errors.Is(err, c.want) {
				t.Errorf("the client's fault is %v, want %v", err, c.want)
			}
		})
	}
}
