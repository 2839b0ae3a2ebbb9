package limits

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// carried is what a limiter becomes in another process.
func carried(t *testing.T, l Limiter, now Time) Limiter {
	t.Helper()
	var wire bytes.Buffer
	if !Saveable(l) {
		t.Fatal("it can't be saved")
	}
	if err := Save(gob.NewEncoder(&wire), l); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(gob.NewDecoder(&wire), now)
	if err != nil {
		t.Fatal(err)
	}
	if wire.Len() > 0 {
		t.Fatalf("%d bytes were left", wire.Len())
	}
	return loaded
}

// keysOfAllLengths are keys of every way to hash one.
func keysOfAllLengths(n int) [][]byte {
	var keys [][]byte
	for i := range n {
		keys = append(keys, fmt.Appendf(nil, "%d%0*d", i, i%70, 0))
	}
	return keys
}

// TestSavedAnswersAlike charges keys, carries the limiter to where another process
// would be, and wants both to answer alike from then on: at once, and later.
func TestSavedAnswersAlike(t *testing.T) {
	for _, spec := range cases() {
		t.Run(fmt.Sprintf("%+v", spec), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			l := spec.New(Options{MaxKeys: 5000})
			keys, now := keysOfAllLengths(300), Time{Mono: time.Hour, Wall: 400000 * time.Hour}
			step := func(d time.Duration) { now.Mono += d; now.Wall += d }
			for range 3000 {
				step(time.Duration(r.Int64N(int64(10 * time.Millisecond))))
				l.Take(keys[r.IntN(len(keys))], r.Int64N(3), now)
			}
			other := carried(t, l, now)
			if spec != must(other.(adoptable).made()) {
				t.Fatalf("it became %+v", spec)
			}
			for range 3000 {
				step(time.Duration(r.Int64N(int64(20 * time.Millisecond))))
				key, cost := keys[r.IntN(len(keys))], r.Int64N(3)
				if want, got := l.Take(key, cost, now), other.Take(key, cost, now); want != got {
					t.Fatalf("key %s, cost %d: %+v in the old process, %+v in the new one", key, cost, want, got)
				}
			}
		})
	}
}

func must(s Spec, _ Options) Spec { return s }

// TestSavedInherited has the limiter of the new process be built before the old
// one's state arrives, with other numbers.
func TestSavedInherited(t *testing.T) {
	now := Time{Mono: time.Hour, Wall: 400000 * time.Hour}
	old := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 10}.New(Options{})
	key := []byte("somebody with a name that is longer than most of them are")
	old.Take(key, 7, now)
	next := TokenBucketSpec{Rate: Rate{1, time.Hour}, Burst: 8}.New(Options{MaxKeys: 1000})
	if !Inherit(next, carried(t, old, now), now) {
		t.Fatal("it was not inherited")
	}
	if d := next.Peek(key, 0, now); d.Remaining != 1 {
		t.Errorf("%d remain", d.Remaining)
	}
	if d := next.Peek([]byte("somebody else"), 0, now); d.Remaining != 8 {
		t.Errorf("of a fresh key %d remain", d.Remaining)
	}
	window := FixedWindowSpec{Limit: 8, Window: time.Hour}.New(Options{})
	if Inherit(window, carried(t, old, now), now) {
		t.Error("a window inherited from a bucket")
	}
	if d := window.Peek(key, 0, now); d.Remaining != 8 {
		t.Errorf("of the window %d remain", d.Remaining)
	}
}

// TestSaveWhileAsked saves what is charged meanwhile, and wants it never to give
// more than the limit in the two together but for what was charged after.
func TestSaveWhileAsked(t *testing.T) {
	for _, spec := range cases() {
		l := spec.New(Options{})
		now := Time{Mono: time.Hour, Wall: 400000 * time.Hour}
		keys, done := keysOfAllLengths(500), make(chan struct{})
		go func() {
			defer close(done)
			for i := range 20000 {
				l.Take(keys[i%len(keys)], 1, now)
			}
		}()
		other := carried(t, l, now)
		<-done
		for _, key := range keys {
			if was, is := other.Peek(key, 0, now), l.Peek(key, 0, now); was.Remaining < is.Remaining {
				t.Errorf("%+v: %d remained when it was saved, %d in the end", spec, was.Remaining, is.Remaining)
			}
		}
	}
}

func TestNothingToSave(t *testing.T) {
	for _, spec := range holdCases() {
		if Saveable(spec.New(Options{})) {
			t.Errorf("%+v can be saved", spec)
		}
	}
}

// FuzzLoad reads anything at all: an error, or a limiter that can be asked.
func FuzzLoad(f *testing.F) {
	now := Time{Mono: time.Hour, Wall: 400000 * time.Hour}
	for _, spec := range cases() {
		l := spec.New(Options{MaxKeys: 100})
		for _, key := range keysOfAllLengths(20) {
			l.Take(key, 1, now)
		}
		var wire bytes.Buffer
		if err := Save(gob.NewEncoder(&wire), l); err != nil {
			f.Fatal(err)
		}
		f.Add(wire.Bytes())
	}
	f.Fuzz(func(_ *testing.T, wire []byte) {
		l, err := Load(gob.NewDecoder(bytes.NewReader(wire)), now)
		if err != nil {
			return
		}
		l.Take([]byte("key"), 1, now)
		l.Top(3, now)
	})
}

func TestResumedClock(t *testing.T) {
	was := Time{Mono: 5 * time.Hour, Wall: 400000 * time.Hour}
	c := ResumeClock(was)
	now := c.Now()
	if now.Mono < was.Mono || now.Mono > was.Mono+time.Minute || now.Wall-now.Mono != was.Wall-was.Mono {
		t.Errorf("%+v became %+v", was, now)
	}
}
