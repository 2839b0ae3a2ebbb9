package limits

import (
	"sync"
	"sync/atomic"
	"time"
)

// adaptive is a Holder whose limit follows how long answers take. All generations
// of one limit share what has been learned, and the numbers of the newest hold for
// all.
type adaptive struct {
	spec    AdaptiveConcurrencySpec
	options Options
	state   atomic.Pointer[services]
}

// services holds what is known of every key: of each service, that is, or route.
type services struct {
	seed     seed
	spec     atomic.Pointer[AdaptiveConcurrencySpec]
	mostKeys atomic.Int64
	keys     atomic.Int64
	known    sync.Map // digest to *adaptiveState
}

// adaptiveState is what is known of one key.
type adaptiveState struct {
	key      []byte
	limit    atomic.Int64 // what the estimate comes to
	inFlight atomic.Int64

	mu       sync.Mutex
	estimate estimate
	window   sample
	opened   time.Duration // when the window was, on the monotonic clock
}

// enoughSamples closes a window that has lasted; with fewer it goes on, for so
// many times its length, or as answers take, at most.
const enoughSamples, mostOverlong = 10, 10

func newServices(s AdaptiveConcurrencySpec, mostKeys int64) *services {
	v := &services{seed: newSeed()}
	v.spec.Store(&s)
	v.mostKeys.Store(mostKeys)
	return v
}

func (v *services) find(d digest) *adaptiveState {
	if s, ok := v.known.Load(d); ok {
		return s.(*adaptiveState)
	}
	return nil
}

// add makes a key known, in place of an idle one if there are as many as may be;
// nil if none is idle.
func (v *services) add(d digest, key []byte, now Time) *adaptiveState {
	spec := v.spec.Load()
	s := &adaptiveState{key: append([]byte(nil), key...), opened: now.Mono, estimate: estimate{limit: float64(spec.Initial), quick: true}}
	s.limit.Store(spec.Initial)
	if v.keys.Add(1) > v.mostKeys.Load() && !v.dropIdle() {
		v.keys.Add(-1)
		return nil
	}
	other, raced := v.known.LoadOrStore(d, s)
	if raced {
		v.keys.Add(-1)
	}
	return other.(*adaptiveState)
}

func (v *services) dropIdle() (dropped bool) {
	v.known.Range(func(d, s any) bool {
		if s.(*adaptiveState).inFlight.Load() == 0 {
			_, dropped = v.known.LoadAndDelete(d)
		}
		return !dropped
	})
	if dropped {
		v.keys.Add(-1)
	}
	return dropped
}

// Take implements Limiter.
func (a *adaptive) Take(key []byte, cost int64, now Time) Decision {
	d, _ := a.Begin(key, cost, now, false)
	return d
}

// Begin implements Holder. A request that passes though it is denied is held like
// any other: it adds to the load by which answers are judged.
func (a *adaptive) Begin(key []byte, cost int64, now Time, passes bool) (Decision, Hold) {
	v := a.state.Load()
	d := v.seed.digest(key)
	if cost <= 0 {
		return a.Peek(key, cost, now), Hold{}
	}
	s := v.find(d)
	if s == nil {
		if s = v.add(d, key, now); s == nil {
			return Decision{RetryAfter: RetryUnknown, NextAfter: RetryUnknown}, Hold{}
		}
	}
	most, capacity := s.limit.Load(), v.spec.Load().Max
	for {
		held := s.inFlight.Load()
		answer := placesLeft(held, cost, min(most, capacity), capacity)
		if !answer.Allowed && !passes {
			return answer, Hold{}
		}
		if s.inFlight.CompareAndSwap(held, held+cost) {
			return answer, Hold{digest: d, cost: cost, inFlight: held + cost, on: s}
		}
	}
}

// Peek implements Limiter.
func (a *adaptive) Peek(key []byte, cost int64, _ Time) Decision {
	v := a.state.Load()
	spec := v.spec.Load()
	if s := v.find(v.seed.digest(key)); s != nil {
		return placesLeft(s.inFlight.Load(), max(cost, 0), s.limit.Load(), spec.Max)
	}
	return placesLeft(0, max(cost, 0), spec.Initial, spec.Max)
}

// Refund implements Limiter: it ends what a Take began.
func (a *adaptive) Refund(key []byte, cost int64, _ Time) {
	v := a.state.Load()
	if s := v.find(v.seed.digest(key)); s != nil && cost > 0 {
		s.inFlight.Add(-cost)
	}
}

// End implements Holder.
func (a *adaptive) End(h Hold) {
	if h.on != nil {
		h.on.inFlight.Add(-h.cost)
	}
}

// Answered implements Holder.
func (a *adaptive) Answered(h Hold, took time.Duration, o Outcome, now Time) {
	if h.on == nil || o == Unrelated {
		return
	}
	h.on.answered(*a.state.Load().spec.Load(), h.inFlight, took, o, now.Mono)
}

func (s *adaptiveState) answered(spec AdaptiveConcurrencySpec, inFlight int64, took time.Duration, o Outcome, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &s.window
	switch {
	case !s.estimate.counts(inFlight):
	case o == Dropped:
		w.dropped++
	case o == Left && float64(took) <= s.estimate.long:
		return // the answer might have been as quick as usual
	default:
		w.served++
		w.sum += float64(took)
	}
	w.inFlight = max(w.inFlight, inFlight)
	lasted, most := now-s.opened, mostOverlong*max(spec.ShortWindow, time.Duration(s.estimate.short))
	if lasted < spec.ShortWindow || w.served+w.dropped < enoughSamples && lasted < most {
		return
	}
	s.estimate = spec.next(s.estimate, *w, lasted)
	s.limit.Store(int64(s.estimate.limit))
	*w, s.opened = sample{}, now
}

// Policy implements Limiter.
func (a *adaptive) Policy() Policy { return a.state.Load().spec.Load().Policy() }

// Keys implements Limiter.
func (a *adaptive) Keys() int { return int(a.state.Load().keys.Load()) }

// InFlight implements Holder.
func (a *adaptive) InFlight() (n int64) {
	a.state.Load().each(func(_ digest, s *adaptiveState) { n += s.inFlight.Load() })
	return n
}

// Top implements Limiter.
func (a *adaptive) Top(n int, _ Time) []KeyUsage {
	top := ranking{most: n}
	a.state.Load().each(func(d digest, s *adaptiveState) {
		top.add(d, Decision{Remaining: max(0, s.limit.Load()-s.inFlight.Load())})
	})
	return top.list()
}

// Held implements Holder.
func (a *adaptive) Held(Time) (list []Holding) {
	a.state.Load().each(func(_ digest, s *adaptiveState) {
		s.mu.Lock()
		e := s.estimate
		s.mu.Unlock()
		list = append(list, Holding{
			Key: s.key, Limit: s.limit.Load(), InFlight: s.inFlight.Load(),
			Short: time.Duration(e.short), Long: time.Duration(e.long),
		})
	})
	return list
}

func (v *services) each(f func(d digest, s *adaptiveState)) {
	v.known.Range(func(d, s any) bool {
		f(d.(digest), s.(*adaptiveState))
		return true
	})
}

func (a *adaptive) current() adoptable { return a }

func (a *adaptive) made() (Spec, Options) { return a.spec, a.options }

func (a *adaptive) secret() seed { return a.state.Load().seed }

// reseed does nothing: with what is known comes its seed.
func (a *adaptive) reseed(seed) {}

// adopt takes over what has been learned, within the new bounds.
func (a *adaptive) adopt(old Limiter, _ Time) {
	from, ok := old.(*adaptive)
	if !ok {
		return
	}
	v := from.state.Load()
	v.spec.Store(&a.spec)
	v.mostKeys.Store(int64(a.options.MaxKeys))
	v.each(func(_ digest, s *adaptiveState) {
		s.mu.Lock()
		s.estimate.limit = a.spec.within(s.estimate.limit)
		s.limit.Store(int64(s.estimate.limit))
		s.mu.Unlock()
	})
	a.state.Store(v)
}
