package connect

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// verdictAge is how long Consul's word on an intention is taken again, so
	// that a service which breaks every request costs Consul one question a
	// second.
	verdictAge = time.Second
	// verdictTime bounds the question, for which a request waits.
	verdictTime = 2 * time.Second
)

// verdict is what Consul said last on whether the gateway may speak to a
// service.
type verdict struct {
	mu     sync.Mutex
	asking chan struct{} // closed when the question under way is answered
	at     time.Time     // of the answer; zero for none
	denied bool
	err    error
}

// Denied asks Consul whether an intention denies the gateway to speak to the
// service. It is for when an instance broke off a connection before the first
// byte of an answer: that is how a sidecar denies, and how one crashes. Many who
// ask at once share one question.
//
// An error means that nobody knows.
func (d *Destination) Denied(ctx context.Context) (bool, error) {
	v := &d.verdict
	v.mu.Lock()
	if !v.at.IsZero() && d.in.now().Sub(v.at) < verdictAge {
		defer v.mu.Unlock()
		return v.denied, v.err
	}
	asking := v.asking
	if asking == nil {
		asking = make(chan struct{})
		v.asking = asking
		go d.ask(context.WithoutCancel(ctx), asking) // bounded by verdictTime
	}
	v.mu.Unlock()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case <-asking:
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.denied, v.err
}

// ask puts the question to the servers, not to the agent's cache.
func (d *Destination) ask(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, verdictTime)
	defer cancel()
	allowed, _, err := d.in.cfg.Consul.API().Connect().IntentionCheck(&api.IntentionCheck{
		Source: d.in.cfg.Service, Destination: d.service,
	}, d.in.cfg.Consul.Options(ctx, 0, 0))
	if err != nil {
		err = fmt.Errorf("asking whether an intention denies %q to speak to %q: %w", d.in.cfg.Service, d.service, err)
	}
	v := &d.verdict
	v.mu.Lock()
	v.at, v.denied, v.err, v.asking = d.in.now(), err == nil && !allowed, err, nil
	v.mu.Unlock()
	close(done)
}

// CountDenied counts a request that was answered as denied.
func (d *Destination) CountDenied() { d.in.deniedOut.Add(1) }
