package connect

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

const (
	// waitTime is how long Consul may hold a blocking query, readTime what any
	// query may take besides.
	waitTime = 60 * time.Second
	readTime = 10 * time.Second

	backoffFirst   = 250 * time.Millisecond
	backoffMax     = 15 * time.Second
	backoffRefused = 30 * time.Second // 403 needs a person, 429 fewer questions
	// backoffAway is for an agent that gives no answer at all, as one does that is
	// started anew: an intention that changed meanwhile should not wait long.
	backoffAway = 2 * time.Second

	// floor is the least time from one answer to the next question.
	floor = 50 * time.Millisecond
)

// question asks Consul once, takes the answer in, and returns its index. An
// answer that can't be believed is an error too: what is known stays.
type question func(ctx context.Context, index uint64, wait time.Duration) (at uint64, err error)

// pace is the arithmetic of asking the same thing again and again. It does no
// I/O and knows no time.
type pace struct {
	index   uint64 // to ask with; 0 is a plain read
	backoff time.Duration
}

// wait returns how long Consul may hold the next question.
func (p *pace) wait() time.Duration {
	if p.index == 0 {
		return 0
	}
	return waitTime
}

// answered goes on after an answer. Only a blocking question that succeeds says
// that the next one is likely to.
func (p *pace) answered(at uint64) {
	if p.index > 0 {
		p.backoff = 0
	}
	if at < p.index { // Consul lost its state, or another agent answers
		p.index = 0
		return
	}
	p.index = max(at, 1)
}

// failed goes on after an error, and returns how long to pause at most: an old
// index would block blindly were Consul's state gone.
func (p *pace) failed(err error) time.Duration {
	limit := backoffMax
	switch statusCode(err) {
	case 0:
		limit = backoffAway
	case http.StatusForbidden, http.StatusTooManyRequests:
		limit = backoffRefused
	}
	p.index = 0
	p.backoff = min(max(2*p.backoff, backoffFirst), limit)
	return p.backoff
}

// outage tells of questions that get no answer at present. The zero value is none.
type outage struct {
	questions atomic.Int32
	last      atomic.Pointer[error]
}

// err returns the last error, nil when all are answered.
func (o *outage) err() error {
	if o.questions.Load() == 0 {
		return nil
	}
	if p := o.last.Load(); p != nil {
		return *p
	}
	return nil
}

// follow asks until ctx is done. While there is no answer, it is part of the
// outage.
func follow(ctx context.Context, log hclog.Logger, out *outage, what string, ask question) {
	var p pace
	failing := false
	defer func() {
		if failing {
			out.questions.Add(-1)
		}
	}()
	for ctx.Err() == nil {
		start := time.Now()
		wait := p.wait()
		one, cancel := context.WithTimeout(ctx, wait+wait/16+readTime)
		at, err := ask(one, p.index, wait)
		cancel()
		if ctx.Err() != nil {
			return
		}
		pause := floor - time.Since(start)
		if err != nil {
			out.last.Store(&err)
			if !failing {
				out.questions.Add(1)
				log.Warn("mesh: "+what+" can't be had from Consul, the last stays in force", "error", err)
			}
			failing = true
			pause = p.failed(err)
			pause -= time.Duration(chance() * float64(pause/2))
		} else {
			if failing {
				out.questions.Add(-1)
				log.Info("mesh: " + what + " is had again")
			}
			failing = false
			p.answered(at)
		}
		if pause > 0 && !sleep(ctx, pause) {
			return
		}
	}
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// chance returns a random number in [0, 1).
func chance() float64 {
	return rand.Float64() //nolint:gosec // it spreads load over time, and guards nothing
}

// statusCode returns the HTTP status that Consul answered with, or 0 when the
// error is of another kind.
func statusCode(err error) int {
	if se, ok := errors.AsType[api.StatusError](err); ok {
		return se.Code
	}
	return 0
}
