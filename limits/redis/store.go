package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/lictor/lictor/breaker"
	"github.com/lictor/lictor/limits"
)

// longestPause is the most time between two questions whether the store is back.
const longestPause = time.Second

// ErrUnavailable is why nothing is asked while the breaker is open.
var ErrUnavailable = errors.New("the store is not asked, because it did not answer of late")

// Store is one Redis or Valkey, or a cluster of them, in which limits keep their
// budgets. It may be away at any time, from
// the start.
type Store struct {
	options Options
	client  redis.UniversalClient
	breaker breaker.Breaker
	gateway string // this one's name among those that tell their demand
	fleet   *script
	scripts map[string]*script

	// epoch counts how often the store has lost its memory, as far as is known.
	epoch atomic.Uint64
	stats counters

	mu       sync.Mutex
	limiters []*Limiter
}

// Stats are the figures of a store.
type Stats struct {
	// Calls were made, Failed of them in vain.
	Calls, Failed uint64
	// Known decisions were denials without a call, Leased ones were taken from
	// what an earlier call had brought.
	Known, Leased uint64
	// Open says that the store is not asked at the moment.
	Open bool
}

type counters struct{ calls, failed, known, leased atomic.Uint64 }

// New returns the store that the options name. It does not wait for it.
func New(o Options) (*Store, error) {
	if len(o.Addresses) == 0 {
		return nil, errors.New("opening the store of limits: no address")
	}
	if o.Clock == nil {
		return nil, errors.New("opening the store of limits: no clock")
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	o.Gateways = max(1, o.Gateways)
	if o.Changed == nil {
		o.Changed = func(bool, error) {}
	}
	logging.Disable() // the library's own, which writes where it likes; what matters is returned
	var id [8]byte
	rand.Read(id[:]) // it never fails
	s := &Store{options: o, client: o.client(), gateway: hex.EncodeToString(id[:]), fleet: newScript(fleetLua), scripts: newScripts()}
	s.breaker.LongestPause = longestPause
	return s, nil
}

// Close ends all connections. Limiters go on as if the store did not answer.
func (s *Store) Close() error {
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("closing the store of limits: %w", err)
	}
	return nil
}

// Stats returns the figures so far.
func (s *Store) Stats() Stats {
	return Stats{
		Calls: s.stats.calls.Load(), Failed: s.stats.failed.Load(),
		Known: s.stats.known.Load(), Leased: s.stats.leased.Load(),
		Open: s.breaker.Open(),
	}
}

// run runs a script on a key and returns its answer, of at least so many numbers,
// within the time given.
func (s *Store) run(sc *script, key string, args []any, numbers int, within time.Duration) ([]int64, error) {
	pass, allowed := s.breaker.Allow(s.options.Clock.Now().Mono)
	if !allowed {
		return nil, ErrUnavailable
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	out, err := s.eval(ctx, sc, key, args)
	if err == nil && len(out) < numbers {
		err = fmt.Errorf("the script answered with %d numbers instead of %d", len(out), numbers)
	}
	s.ended(pass, err)
	return out, err
}

func (s *Store) eval(ctx context.Context, sc *script, key string, args []any) ([]int64, error) {
	s.stats.calls.Add(1)
	out, err := s.client.EvalSha(ctx, sc.name, []string{key}, args...).Int64Slice()
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		// Whoever does not know it any more has been restarted, failed over or
		// emptied since.
		if sc.ran.Load() {
			s.epoch.Add(1)
		}
		s.stats.calls.Add(1)
		out, err = s.client.Eval(ctx, sc.text, []string{key}, args...).Int64Slice()
	}
	if err != nil {
		return nil, fmt.Errorf("asking the store of limits: %w", err)
	}
	sc.ran.Store(true)
	return out, nil
}

// strange reports whether a script found a state that it did not write. A store
// with such a key is there for all others.
func strange(err error) bool {
	text := err.Error()
	return strings.Contains(text, "WRONGTYPE") || strings.Contains(text, "not the state of ")
}

func (s *Store) ended(pass breaker.Pass, err error) {
	if err != nil {
		s.stats.failed.Add(1)
	}
	if s.breaker.Done(s.options.Clock.Now().Mono, pass, err != nil && !strange(err)) {
		s.epoch.Add(1) // what it knew may be gone when it comes back
		s.options.Changed(err == nil, err)
	}
}

// Follow says which limiters there are from now on: those of the current
// configuration.
func (s *Store) Follow(list []*Limiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limiters = list
}

func (s *Store) following() []*Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limiters
}

// How often the store is looked after.
const (
	tendEvery = 250 * time.Millisecond
	tellEvery = 4  // of the former, tell the demand
	goneAfter = 10 // seconds of silence
)

// Run looks after the store until ctx is done: it asks whether it is back when
// it was away, and tells it and learns of it every second which share of the
// traffic comes through here.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := s.options.Clock.Now()
		switch {
		case s.breaker.Open():
			s.probe(now)
		case n%tellEvery == 0:
			for _, l := range s.following() {
				s.tell(l, now)
			}
		}
	}
}

// probe asks whether the store is back.
func (s *Store) probe(now limits.Time) {
	pass, allowed := s.breaker.Allow(now.Mono)
	if !allowed {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.options.Timeout)
	defer cancel()
	s.stats.calls.Add(1)
	s.ended(pass, s.client.Ping(ctx).Err())
}

// tell exchanges a limit's demand with the other gateways.
func (s *Store) tell(l *Limiter, now limits.Time) {
	mine := l.demand.settle(now.Mono)
	name := "{" + s.options.Prefix + ":" + l.spec.Name + ":gateways}"
	out, err := s.run(s.fleet, name, []any{s.gateway, mine, goneAfter}, 2, s.options.Timeout)
	if err == nil {
		l.share.observe(mine, out[0], out[1])
		l.local.fit(l.share.load(), now)
	}
}
