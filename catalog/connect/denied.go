package connect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// verdictAge is how long Consul's word on an intention is taken again, so
	// that a service which breaks every request costs Consul one question a
	// second.
	verdictAge = time.Second
	// verdictTime bounds the question, for which a request waits.
	verdictTime = 5 * time.Second
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
// An intention with permissions (L7) denies requests, not connections, and the
// sidecar says so itself: it is no reason for a connection to break.
//
// An error means that nobody knows.
func (d *Destination) Denied(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	v := &d.verdict
	v.mu.Lock()
	if !v.at.IsZero() && d.in.now().Sub(v.at) < verdictAge {
		defer v.mu.Unlock()
		return v.denied, v.err
	}
	if asking := v.asking; asking != nil {
		v.mu.Unlock()
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-asking:
		}
	} else {
		asking = make(chan struct{})
		v.asking = asking
		v.mu.Unlock()
		d.settle(context.WithoutCancel(ctx), asking) // others wait for it too
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.denied, v.err
}

// settle asks, and lets those who wait know.
func (d *Destination) settle(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, verdictTime)
	defer cancel()
	denied, err := d.ask(ctx)
	if err != nil {
		err = fmt.Errorf("asking whether an intention denies %q to speak to %q: %w", d.in.cfg.Service, d.service, err)
	}
	v := &d.verdict
	v.mu.Lock()
	v.at, v.denied, v.err, v.asking = d.in.now(), err == nil && denied, err, nil
	v.mu.Unlock()
	close(done)
}

// ask puts the question to the servers, not to the agent's cache. The endpoint
// that is made for it (intentions/check) does not know default_intention_policy.
func (d *Destination) ask(ctx context.Context) (denied bool, err error) {
	l := d.in.leaf.Load()
	if l == nil {
		return false, &IdentityError{errNoLeaf}
	}
	rules, answer, err := d.in.intentionsOf(ctx, d.service, 0, 0)
	if err != nil {
		return false, err
	}
	switch x, is := rules.about(l.ID); is {
	case yes:
		return len(x.Permissions) == 0 && !allows(x, l.ID), nil
	case maybe:
		return false, errors.New(x.SourceString() + " can't be judged here")
	}
	allowed, err := d.in.byDefault(ctx, answer.DefaultACLPolicy)
	return !allowed, err
}

// CountDenied counts a request that was answered as denied.
func (d *Destination) CountDenied() { d.in.deniedOut.Add(1) }
