package consul

import (
	"context"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// kvRetry is how long the back-off may grow while the agent gives no answer at
// all: one small question that often is no burden, and policies that were
// changed meanwhile should not be late.
const kvRetry = time.Second

// KVWatch follows what lies below a prefix of Consul's KV store.
//
//	Consul --blocking query--> kvTracker --believed, and different--> take
//	                               | not believed, or an error
//	                               v
//	                    what is known stays, ask again later
//
// First and Run are called by one goroutine, First before Run.
type KVWatch struct {
	kv   *KV
	log  hclog.Logger
	kick *bell // the token changed
	disk kvDisk

	track   kvTracker
	known   *Documents
	backoff time.Duration

	mu     sync.Mutex
	status KVStatus
	since  time.Time // when Consul was first asked, or last confirmed what is known
	live   bool      // a query is in flight, or due, and the last one was believed
}

// KVStatus tells how current what is known of a prefix is.
type KVStatus struct {
	// Index is that of the last answer that was believed.
	Index uint64
	// Age is the time since Consul last confirmed what is known; 0 while it would
	// tell of a change.
	Age time.Duration
	// Held is why the last answer was not believed, "" when it was.
	Held string
	// Err is why there is no answer, nil when there is.
	Err error
}

// NewKVWatch returns a watch that asks nothing yet. With cfg.DataDir, what is
// kept by Save survives a restart. It fails as NewKV does.
func NewKVWatch(cfg Config, prefix string) (*KVWatch, error) {
	kv, err := NewKV(cfg, prefix)
	if err != nil {
		return nil, err
	}
	w := &KVWatch{kv: kv, log: cfg.Logger, kick: newBell(), since: time.Now(), disk: kvDisk{prefix: prefix}}
	if cfg.DataDir != "" {
		w.disk.path = filepath.Join(cfg.DataDir, kvFile)
	}
	return w, nil
}

// First asks once, within ctx, and returns what there is to start with: Consul's
// answer, or else what Save has kept, which is stale, or nil. The error says why
// it isn't Consul's.
func (w *KVWatch) First(ctx context.Context) (now, kept *Documents, err error) {
	kept, saveErr := w.disk.load()
	if saveErr != nil {
		w.log.Warn("last good policies can't be used", "path", w.disk.path, "error", saveErr)
	}
	if kept != nil {
		w.known = kept
		w.track.nonEmpty, w.track.cur.seen = len(kept.List) > 0, kept.Index
	}
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	a, err := w.kv.ask(ctx, 0)
	if err != nil {
		w.failed(err)
		return nil, kept, w.kv.explain(err, "read")
	}
	if v, reason := w.track.take(a); v != accept {
		w.held(reason)
		return nil, kept, nil
	}
	w.known = a.docs
	w.believed(a)
	return a.docs, kept, nil
}

// Run follows the prefix until ctx is done. take gets what is known each time it
// has changed since the last time, or since First; while it runs nothing is
// asked, so that what changes meanwhile comes as one.
func (w *KVWatch) Run(ctx context.Context, take func(*Documents)) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { w.kv.con.token.run(ctx, w.kick.strike) })
	wg.Go(func() { (&sentinel{con: w.kv.con, log: w.log, restored: w.kick.strike}).run(ctx) })
	for ctx.Err() == nil {
		kick := w.kick.heard()
		sent := time.Now()
		a, err := w.ask(ctx, kick)
		switch {
		case ctx.Err() != nil:
			return
		case kick.Err() != nil: // under the former token
			w.track.cur = w.track.cur.plain()
		case err != nil:
			w.track.cur = w.track.cur.plain()
			w.failed(err)
			w.backoff = grow(w.backoff, kvLimit(err))
			w.rest(ctx, kick, w.backoff)
		default:
			w.answered(ctx, kick, sent, a, take)
			if kick.Err() != nil { // rung while nothing was asked
				w.track.cur = w.track.cur.plain()
			}
		}
	}
}

// ask puts one query, which ends with ctx, at kick, or at its deadline.
func (w *KVWatch) ask(ctx, kick context.Context) (*kvAnswer, error) {
	index, wait := w.track.cur.wait, waitTime
	if index == 0 {
		wait = 0
	}
	ctx, cancel := context.WithTimeout(ctx, deadline(wait))
	defer cancel()
	defer context.AfterFunc(kick, cancel)()
	return w.kv.ask(ctx, index)
}

func (w *KVWatch) answered(ctx, kick context.Context, sent time.Time, a *kvAnswer, take func(*Documents)) {
	switch v, reason := w.track.take(a); v {
	case reread:
		return
	case hold:
		w.held(reason)
		w.backoff = grow(w.backoff, kvHold(a))
		w.rest(ctx, kick, w.backoff)
		return
	}
	w.believed(a)
	if a.asked > 0 {
		w.backoff = 0 // a plain read that succeeds says little of the next blocking one
	}
	if before := w.known; !a.docs.Equal(before) || before.Stale {
		w.known = a.docs
		if !a.docs.Equal(before) {
			w.log.Info("policies in the KV store changed", "prefix", w.kv.prefix, "index", a.docs.Index, "keys", len(a.docs.List))
		}
		take(a.docs)
	}
	w.rest(ctx, kick, floorMin+time.Duration(chance()*float64(floorJitter))-time.Since(sent))
}

// kvLimit is how long the back-off after an error may grow.
func kvLimit(err error) time.Duration {
	if unreachable(err) {
		return kvRetry
	}
	return limitFor(err)
}

// kvHold is how long the pause between looks at an answer that is not believed
// may grow.
func kvHold(a *kvAnswer) time.Duration {
	if a.filtered || a.denied {
		return holdMaxRefused
	}
	return holdMax
}

// rest pauses for d, jittered unless it is short of a back-off.
func (w *KVWatch) rest(ctx, kick context.Context, d time.Duration) {
	if d >= backoffFirst {
		d = jitter(d, chance())
	}
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-kick.Done():
	case <-timer.C:
	}
}

func (w *KVWatch) believed(a *kvAnswer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status.Err != nil || w.status.Held != "" {
		w.log.Info("policies in the KV store are read again", "prefix", w.kv.prefix, "index", a.docs.Index)
	}
	w.status = KVStatus{Index: a.docs.Index}
	w.since, w.live = time.Now(), true
}

func (w *KVWatch) held(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status.Held != reason {
		w.log.Warn("answer held back, the last policies stay", "prefix", w.kv.prefix, "reason", reason)
	}
	w.leaveLocked()
	w.status.Held, w.status.Err = reason, nil
}

func (w *KVWatch) failed(err error) {
	w.kv.con.token.note(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status.Err == nil || errorKind(w.status.Err) != errorKind(err) {
		w.log.Warn("policies in the KV store can't be read, the last ones stay", "prefix", w.kv.prefix, "error", w.kv.explain(err, "read"))
	}
	w.leaveLocked()
	w.status.Held, w.status.Err = "", w.kv.explain(err, "read")
}

// leaveLocked notes that what is known is no longer followed.
func (w *KVWatch) leaveLocked() {
	if w.live {
		w.live, w.since = false, time.Now()
	}
}

// Status tells how current what is known is. It may be called at any time.
func (w *KVWatch) Status() KVStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	if !w.live {
		s.Age = time.Since(w.since)
	}
	return s
}

// Warning is the condition that needs a person, "" for none.
func (s *KVStatus) Warning() string {
	switch {
	case s.Held != "":
		return s.Held
	case s.Err != nil && statusCode(s.Err) == http.StatusForbidden:
		return s.Err.Error()
	}
	return ""
}

// Save keeps documents for a start while Consul is away. Without a data
// directory it does nothing.
func (w *KVWatch) Save(d *Documents) error { return w.disk.save(d) }
