package limits

import (
	"encoding/gob"
	"errors"
	"fmt"
	"iter"
)

// saved is the head of a limiter that goes to another process: what it was made
// of, with one of the Specs. Pages follow, and one with End.
type saved struct {
	TokenBucket   *TokenBucketSpec
	LeakyBucket   *LeakyBucketSpec
	FixedWindow   *FixedWindowSpec
	SlidingWindow *SlidingWindowSpec

	Options Options
	Seed    [8]uint64
}

func newSaved(p portable) saved {
	spec, options := p.made()
	secret := p.secret()
	h := saved{Options: options, Seed: secret.words()}
	switch s := spec.(type) {
	case TokenBucketSpec:
		h.TokenBucket = &s
	case LeakyBucketSpec:
		h.LeakyBucket = &s
	case FixedWindowSpec:
		h.FixedWindow = &s
	case SlidingWindowSpec:
		h.SlidingWindow = &s
	}
	return h
}

// spec returns nil for one that this version does not know.
func (h *saved) spec() Spec {
	switch {
	case h.TokenBucket != nil:
		return *h.TokenBucket
	case h.LeakyBucket != nil:
		return *h.LeakyBucket
	case h.FixedWindow != nil:
		return *h.FixedWindow
	case h.SlidingWindow != nil && h.SlidingWindow.Buckets <= mostBuckets:
		return *h.SlidingWindow
	}
	return nil
}

// page is some of a limiter's keys. A key is a digest, with a number of words and
// of counts each that its algorithm knows.
type page struct {
	End     bool
	Horizon int64
	Keys    []uint64
	Words   []int64
	Counts  []uint32
}

// errPage is what a page is answered with that its limiter could not have written.
var errPage = errors.New("limits: what was saved is damaged")

// portable is a Limiter whose state can leave the process.
type portable interface {
	adoptable
	// pages yields all that is known of keys, a part after the other. Each part is
	// consistent in itself.
	pages() iter.Seq[page]
	// take takes in a page of a limiter that was the same. Nobody uses the receiver
	// yet.
	take(p page, now Time) error
}

// Saveable reports whether a Limiter keeps anything that Save can write. Those that
// count what is in flight here don't, nor do those of other packages.
func Saveable(l Limiter) bool {
	a, ok := l.(adoptable)
	if ok {
		_, ok = a.current().(portable)
	}
	return ok
}

// Save writes all that a limiter, which is Saveable, knows of its keys, so that
// Load makes the same of it in another process whose Clock goes on from this one's
// (see ResumeClock). What is charged while it runs may or may not be in it. An
// error is one of the encoder's writer.
func Save(to *gob.Encoder, l Limiter) error {
	p := l.(adoptable).current().(portable) //nolint:forcetypeassert // it is Saveable
	if err := to.Encode(newSaved(p)); err != nil {
		return fmt.Errorf("saving a limiter: %w", err)
	}
	for part := range p.pages() {
		if err := to.Encode(part); err != nil {
			return fmt.Errorf("saving a limiter: %w", err)
		}
	}
	if err := to.Encode(page{End: true}); err != nil {
		return fmt.Errorf("saving a limiter: %w", err)
	}
	return nil
}

// Load reads what Save wrote. The limiter is for Inherit, or to be used itself.
// What another version wrote may be an error.
func Load(from *gob.Decoder, now Time) (l Limiter, err error) {
	defer func() {
		// A Spec of another version may lack what the arithmetic divides by.
		if recover() != nil {
			l, err = nil, errPage
		}
	}()
	if l, err = load(from, now); err == nil {
		l.Peek(nil, 1, now)
		l.Top(1, now)
	}
	return l, err
}

func load(from *gob.Decoder, now Time) (Limiter, error) {
	var head saved
	if err := from.Decode(&head); err != nil {
		return nil, fmt.Errorf("loading a limiter: %w", err)
	}
	spec := head.spec()
	if spec == nil {
		return nil, errPage
	}
	l, ok := spec.New(head.Options).(portable)
	if !ok {
		return nil, errPage
	}
	l.reseed(seedOf(head.Seed))
	for {
		var p page
		if err := from.Decode(&p); err != nil {
			return nil, fmt.Errorf("loading a limiter: %w", err)
		}
		if p.End {
			return l, nil
		}
		if err := l.take(p, now); err != nil {
			return nil, err
		}
	}
}

// Inherit gives a limiter that nobody has asked anything yet all that another one
// knows, as a reload would: between limiters of one algorithm what keys have used
// carries over, even to other numbers. It reports whether the two are of one kind.
func Inherit(l, old Limiter, now Time) bool {
	heir, ok := l.(adoptable)
	was, known := old.(adoptable)
	if !ok || !known {
		return false
	}
	s, _ := heir.made()
	t, _ := was.made()
	if s.Algorithm() != t.Algorithm() {
		return false
	}
	heir.reseed(was.secret())
	heir.adopt(was, now)
	return true
}

func (t *table[R]) pages() iter.Seq[page] {
	t = t.latest()
	return func(yield func(page) bool) {
		for i := range t.segments {
			if !yield(t.segments[i].page()) {
				return
			}
		}
	}
}

func (sg *segment[R]) page() page {
	sg.mu.Lock()
	defer sg.mu.Unlock()
	p := page{Horizon: sg.horizon}
	sg.eachLocked(func(s spot) {
		p.Keys = append(p.Keys, s.digest.Load())
		p.Words = append(p.Words, s.word.Load())
		for i := range s.counts {
			p.Counts = append(p.Counts, s.counts[i].Load())
		}
	})
	return p
}

func (t *table[R]) take(p page, now Time) error {
	stride := 0
	if t.counting != nil {
		stride = t.counting.stride()
	}
	if len(p.Words) != len(p.Keys) || len(p.Counts) != len(p.Keys)*stride {
		return errPage
	}
	clock := t.rules.clock(now)
	horizon := p.Horizon
	beside := make(counts, stride)
	for i, key := range p.Keys {
		d, word := digest(key), p.Words[i]
		if key&1 == 0 || word == moved {
			return errPage
		}
		if end := ends(t.rules, d, word); end <= clock {
			horizon = max(horizon, end)
			continue
		}
		for j := range beside {
			beside[j].Store(p.Counts[i*stride+j])
		}
		sg := t.segment(d)
		sg.mu.Lock()
		sg.addCountsLocked(t.rules, d, word, beside, clock, false)
		sg.mu.Unlock()
	}
	t.raiseHorizon(horizon)
	return nil
}

// flat are rules whose states can be written as numbers.
type flat[S any] interface {
	// flatten appends the numbers to those given.
	flatten(s S, to []int64) []int64
	// unflatten reads them, and returns those that follow; false for numbers that
	// flatten can't have written.
	unflatten(from []int64) (s S, rest []int64, ok bool)
}

func (k *keyed[S, R]) pages() iter.Seq[page] {
	k = k.latest()
	return func(yield func(page) bool) {
		rules, ok := any(k.rules).(flat[S])
		if !ok {
			return
		}
		for i := range k.shards {
			if !yield(k.shards[i].page(rules)) {
				return
			}
		}
	}
}

func (sh *shard[S, R]) page(rules flat[S]) page {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	p := page{Horizon: sh.horizon}
	for i := range sh.entries {
		p.Keys = append(p.Keys, uint64(sh.entries[i].digest))
		p.Words = rules.flatten(sh.entries[i].state, p.Words)
	}
	return p
}

func (k *keyed[S, R]) take(p page, now Time) error {
	rules, ok := any(k.rules).(flat[S])
	if !ok {
		return errPage
	}
	clock := k.rules.clock(now)
	for _, key := range p.Keys {
		var state S
		if state, p.Words, ok = rules.unflatten(p.Words); !ok || key&1 == 0 {
			return errPage
		}
		d := digest(key)
		sh := k.shard(d)
		sh.mu.Lock()
		if _, held := sh.index[d]; !held {
			sh.inheritLocked(k.rules, d, state, clock)
		}
		sh.mu.Unlock()
	}
	if len(p.Words) > 0 {
		return errPage
	}
	k.raiseHorizon(p.Horizon)
	return nil
}
