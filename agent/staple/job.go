package staple

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// reminder is how often a revoked certificate is told of.
const reminder = 24 * time.Hour

// job keeps the answer about one certificate.
type job struct {
	*subject
	s   *Stapler
	log hclog.Logger

	held    atomic.Pointer[answer]  // the newest that was verified; nil for none
	failure atomic.Pointer[failure] // of the last question; nil when it was answered

	// These are for run alone.
	due   time.Time // when the next question is to be asked
	ended *answer   // whose end was told of
	cried time.Time // when the revocation was told of last
}

// failure is a question that brought no answer.
type failure struct {
	err   error
	count int // in a row
	again time.Time
}

// errOlder is what an answer is when it is older than the one that is held.
var errOlder = errors.New("the response is older than the one before")

// newJob takes up what is kept of the certificate.
func newJob(s *Stapler, sub *subject, now time.Time) *job {
	j := &job{subject: sub, s: s, log: s.o.Logger.With("names", sub.leaf.DNSNames, "serial", fmt.Sprintf("%x", sub.leaf.SerialNumber))}
	if a := s.shelf.load(sub, now); a != nil {
		j.held.Store(a)
	}
	if sub.flaw != nil {
		j.failure.Store(&failure{err: sub.flaw})
	}
	return j
}

// run keeps the answer until ctx is done.
func (j *job) run(ctx context.Context) {
	if j.flaw != nil {
		j.tellNone(j.flaw)
		return
	}
	now := time.Now()
	j.due = now
	if a := j.held.Load(); a != nil {
		j.due = now.Add(refresh(a, now, rand.Float64())) //nolint:gosec // it spreads load, and guards nothing
		j.tell(a, now)
	}
	for ctx.Err() == nil {
		timer := time.NewTimer(j.turn(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
}

// turn does what is to be done now, and returns the time until there is more.
func (j *job) turn(ctx context.Context) time.Duration {
	if !time.Now().Before(j.due) {
		j.ask(ctx)
	}
	now := time.Now()
	wait := j.due.Sub(now)
	if a := j.held.Load(); a != nil && a != j.ended && !a.revoked {
		left := a.next.Sub(now)
		if left > 0 {
			return min(wait, left)
		}
		j.ended = a
		j.tellNone(errors.New("the last one has ended"))
	}
	return wait
}

// ask asks the responder, and says when it is to be asked again.
func (j *job) ask(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case j.s.asking <- struct{}{}:
	}
	a, err := ask(ctx, j.s.client, j.subject)
	<-j.s.asking
	if ctx.Err() != nil {
		return // the gateway ends, or nobody shows it any more
	}
	was, now := j.held.Load(), time.Now()
	if err == nil && was != nil && a.this.Before(was.this) {
		err = errOlder // whoever sits between must not undo a revocation
	}
	if err != nil {
		j.fail(err, now)
		return
	}
	failed := j.failure.Swap(nil) != nil
	j.held.Store(a)
	j.due = now.Add(refresh(a, now, rand.Float64())) //nolint:gosec // it spreads load, and guards nothing
	if was == nil || failed || a.revoked != was.revoked || was == j.ended {
		j.tell(a, now)
	} else {
		j.remind(a, now)
	}
	if err := j.s.shelf.store(j.subject, a); err != nil {
		j.log.Warn("OCSP response is lost when the gateway ends", "error", err)
	}
}

// fail notes a question that brought no answer.
func (j *job) fail(err error, now time.Time) {
	f := &failure{err: err, count: 1}
	if last := j.failure.Load(); last != nil {
		f.count = last.count + 1
	}
	wait := retry(f.count, rand.Float64()) //nolint:gosec // it spreads load, and guards nothing
	f.again = now.Add(wait)
	j.due = f.again
	j.failure.Store(f)
	switch held := j.held.Load(); {
	case f.count > 1:
		j.log.Debug("OCSP responder can't be used", "error", err, "retry_in", wait.Round(time.Second))
	case held.good(now):
		j.log.Warn("OCSP staple can't be renewed, the previous one stays", "next_update", held.next, "error", err)
	default:
		j.tellNone(err)
	}
}

// tell logs what an answer says.
func (j *job) tell(a *answer, now time.Time) {
	if a.revoked {
		j.cried = time.Time{}
		j.remind(a, now)
		return
	}
	j.log.Info("OCSP staple taken up", "this_update", a.this, "next_update", a.next)
}

// remind logs a revocation again from time to time.
func (j *job) remind(a *answer, now time.Time) {
	if !a.revoked || now.Sub(j.cried) < reminder {
		return
	}
	j.cried = now
	j.log.Error("certificate is REVOKED, and shown without a staple: replace it", "revoked_at", a.revokedAt, "responder", j.responders[0])
}

// tellNone logs that there is no staple.
func (j *job) tellNone(err error) {
	if j.must {
		j.log.Warn("certificate is shown without the OCSP staple that it must have: clients refuse it", "error", err)
		return
	}
	j.log.Warn("certificate is shown without an OCSP staple", "error", err)
}

// reason returns what went wrong on the way, without the URL.
func reason(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
