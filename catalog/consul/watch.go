package consul

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/lictor/lictor/catalog"
)

// Between two answers lie at least 50 to 70 ms, so that a service that changes
// all the time costs neither the agent nor us a query per change.
const (
	floorMin    = 50 * time.Millisecond
	floorJitter = 20 * time.Millisecond
)

// maxFutile is how often in a row the probe may wake a watch for nothing. After
// that the watch goes by its own back-off until a query has succeeded.
const maxFutile = 3

// event is what a watch tells the owner.
type event struct {
	from *watch
	at   time.Time // when the answer or the error came
	sent time.Time // when it was asked for

	// Exactly one of the three is set.
	service *catalog.Service // what is known now
	held    string           // an empty answer is held back, and why
	err     error

	index    uint64
	plain    bool // from a plain read: filtered and deny mean something
	filtered bool // by ACLs
	deny     bool // there is no token, and Consul denies by default
	unplaced bool // of a service: see rules.unplaced
}

// watch follows one service. Its fields belong to the goroutine in run.
type watch struct {
	name  string
	query string // the prepared query that it is about, empty for a service
	con   *client
	rules func() rules
	emit  func(context.Context, event)

	wake  *bell // the agent is back: end the back-off
	kick  *bell // ask anew at once: the token or the rules changed
	probe *probe
	// share is nil for a watch with a connection of its own.
	share *share

	// saved is the last good state from disk, for as long as nothing is known.
	saved    *catalog.Service
	known    bool
	track    tracker
	declares declares
	revisit  time.Duration // judge anew after this; 0 for never
	settled  bool          // the last query was answered, and believed
	backoff  time.Duration
	futile   int
	missing  int // how often in a row the prepared query was not found
}

// run follows the service until ctx is done.
func (w *watch) run(ctx context.Context) {
	for {
		// Listen before asking: a signal that comes while the query fails must
		// end the back-off that follows.
		wake, kick := w.wake.heard(), w.kick.heard()
		if w.share != nil && w.settled && !w.share.take(ctx, kick, w.revisit) {
			return
		}
		if w.share != nil && w.share.freed.Load() {
			w.share = nil
		}
		w.settled = false
		sent := time.Now()
		a, err := w.ask(ctx, wake, kick)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && kick.Err() != nil:
			w.track.cur = w.track.cur.plain()
		case err != nil && wake.Err() != nil && w.futile < maxFutile:
			w.futile++
			w.track.cur = w.track.cur.plain()
		case err != nil:
			w.failed(ctx, sent, err)
			w.rest(ctx, wake, kick, w.backoff)
		default:
			w.answered(ctx, kick, sent, a)
			if kick.Err() != nil { // rung after the rules had been read, or during the pause
				w.track.cur, w.settled = w.track.cur.plain(), false
			}
		}
	}
}

// ask puts one query, which ends with ctx, at kick, or at its deadline. A plain
// one ends at wake too: an agent that starts holds queries for seconds while
// its servers elect a leader, and answers a new one at once when they have.
func (w *watch) ask(ctx, wake, kick context.Context) (answer, error) {
	wait := waitTime
	if w.revisit > 0 {
		wait = min(wait, w.revisit)
	}
	index := w.track.cur.wait
	if w.share != nil {
		index = 0
		if !w.share.enter(ctx) {
			return answer{}, ctx.Err()
		}
		defer w.share.leave()
	}
	if index == 0 {
		wait = 0
	}
	ctx, cancel := context.WithTimeout(ctx, deadline(wait))
	defer cancel()
	defer context.AfterFunc(kick, cancel)()
	if index == 0 && w.futile < maxFutile {
		defer context.AfterFunc(wake, cancel)()
	}
	a, err := w.con.service(ctx, w.name, index, wait)
	if err != nil && !w.known && statusCode(err) == http.StatusInternalServerError {
		// A cold start while Consul has no leader: what any server remembers is
		// better than nothing.
		w.coldStart(ctx, time.Now())
	}
	return a, err
}

// answered acts on an answer, and paces the next query.
func (w *watch) answered(ctx, kick context.Context, sent time.Time, a answer) {
	now := time.Now()
	e := event{
		from: w, at: now, sent: sent, index: a.index,
		plain: a.asked == 0, filtered: a.filtered, deny: a.anonymous && a.denyDefault,
	}
	switch v, reason := w.track.take(now, a); v {
	case reread:
		return
	case hold:
		e.held = reason
		w.emit(ctx, e)
		w.backoff = grow(w.backoff, holdLimit(reason))
		// No probe ends this pause: the agent is there.
		w.rest(ctx, nil, kick, w.backoff)
		return
	}
	e.service, e.unplaced = w.service(now, a)
	w.known, w.settled, w.saved = true, true, nil
	w.emit(ctx, e)
	if a.asked > 0 || w.share != nil {
		// A plain read that succeeds says little of whether the next blocking
		// query will.
		w.backoff, w.futile = 0, 0
	}
	if w.share != nil {
		w.share.answered(a)
		return
	}
	w.rest(ctx, nil, nil, floorMin+time.Duration(chance()*float64(floorJitter))-now.Sub(sent))
}

// service turns a believed answer into the service.
func (w *watch) service(now time.Time, a answer) (s *catalog.Service, unplaced bool) {
	r := w.rules()
	r.datacenter, r.judged = a.datacenter, w.query != ""
	required, revisit := w.declares.note(now, a.entries)
	r.checked = r.checked && required
	w.revisit = 0
	if r.checked {
		w.revisit = revisit
	}
	s = &catalog.Service{
		Name: w.name, Instances: r.instances(a.entries), Index: a.index,
		Exists: w.query != "", Datacenter: a.datacenter,
	}
	return s, r.unplaced(s.Instances)
}

// failed keeps what is known and lengthens the back-off.
func (w *watch) failed(ctx context.Context, sent time.Time, err error) {
	now := time.Now()
	w.track.cur = w.track.cur.plain()
	w.backoff = grow(w.backoff, limitFor(err))
	// That another datacenter keeps silent says nothing of our agent.
	if unreachable(err) && w.futile < maxFutile && !(catalog.Elsewhere(w.name) && timedOut(err)) {
		w.probe.lost(err)
	}
	if !w.known && w.saved != nil {
		s := w.saved
		w.saved = nil
		w.track.kept = unreachable(err)
		w.restore(ctx, now, s)
	}
	w.emit(ctx, event{from: w, at: now, sent: sent, err: err})
}

// coldStart asks for a stale answer, once.
func (w *watch) coldStart(ctx context.Context, now time.Time) {
	a, err := w.con.serviceStale(ctx, w.name)
	if err != nil || len(a.entries) == 0 {
		return
	}
	s, _ := w.service(now, a)
	s.Stale = true
	w.saved = nil
	w.restore(ctx, now, s)
}

// restore makes known what Consul has not confirmed.
func (w *watch) restore(ctx context.Context, now time.Time, s *catalog.Service) {
	w.known = true
	w.track.nonEmpty = len(s.Instances) > 0
	w.track.cur.seen, w.track.restored = s.Index, s.Index
	w.emit(ctx, event{from: w, at: now, sent: now, service: s, index: s.Index})
}

// rest pauses for d, jittered unless it is short of a back-off. It ends early
// with ctx, and at wake and kick, which may both be nil.
func (w *watch) rest(ctx, wake, kick context.Context, d time.Duration) {
	if d >= backoffFirst {
		d = jitter(d, chance())
	}
	w.pause(ctx, wake, kick, d)
}

// pause is rest for a time that is random already.
func (w *watch) pause(ctx, wake, kick context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	var woken, kicked <-chan struct{}
	if wake != nil && w.futile < maxFutile {
		woken = wake.Done()
	}
	if kick != nil {
		kicked = kick.Done()
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-kicked:
	case <-woken:
		w.futile++
	}
}

// timedOut reports whether a query ran into its deadline: nothing says since
// when the agent had been silent.
func timedOut(err error) bool { return errors.Is(err, context.DeadlineExceeded) }
