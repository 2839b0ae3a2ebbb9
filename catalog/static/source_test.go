package static

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

// world stands in for the instances: it answers pings as a test says.
type world struct {
	mu    sync.Mutex
	fails map[string]error
	hang  map[string]bool
	pings map[string][]time.Time
}

func newWorld() *world {
	return &world{fails: map[string]error{}, hang: map[string]bool{}, pings: map[string][]time.Time{}}
}

func (w *world) ping(ctx context.Context, target string, _ Check) error {
	w.mu.Lock()
	w.pings[target] = append(w.pings[target], time.Now())
	err, hang := w.fails[target], w.hang[target]
	w.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (w *world) fail(target string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails[target] = err
}

func (w *world) count(target string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pings[target])
}

// running is a source at work in a synctest bubble.
type running struct {
	*Source
	t *testing.T

	mu   sync.Mutex
	last *catalog.Snapshot
	n    int
}

func start(t *testing.T, w *world, services []Spec, follow ...string) *running {
	t.Helper()
	s, err := New(Config{Services: services, Logger: hclog.NewNullLogger(), Own: func(ap netip.AddrPort) bool {
		return ap == netip.MustParseAddrPort("10.0.0.9:8080")
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.ping = w.ping
	s.Follow(follow)
	r := &running{Source: s, t: t}
	ctx, cancel := context.WithCancel(t.Context())
	var feed catalog.Feed
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx, &feed); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	wg.Go(func() {
		for {
			snap, err := feed.Next(ctx)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.last = snap
			r.n++
			r.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	synctest.Wait()
	return r
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// instances returns a service's as published last, and how many snapshots there
// were.
func (r *running) instances(name string) ([]catalog.Instance, int) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last.Services[name].Instances, r.n
}

// want compares the keys of a service, those not eligible in parentheses.
func (r *running) want(name, keys, when string) {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	got := "?"
	if r.last != nil && r.last.Services[name] != nil {
		var list []string
		for _, in := range r.last.Services[name].Instances {
			if in.Eligible() {
				list = append(list, in.Key)
			} else {
				list = append(list, "("+in.Key+")")
			}
		}
		got = strings.Join(list, " ")
	}
	if got != keys {
		r.t.Errorf("%s: service %s is %q, want %q", when, name, got, keys)
	}
}

const (
	one = "10.0.0.1:80"
	two = "10.0.0.2:80"
)

func spec(check *Check, addresses ...string) Spec {
	s := Spec{Name: "legacy", Check: check}
	for _, a := range addresses {
		s.Instances = append(s.Instances, Instance{Address: a, Port: 80})
	}
	return s
}

func TestWithoutACheckInstancesPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, []Spec{spec(nil, "10.0.0.2", "10.0.0.1", "127.0.0.1", "10.0.0.9")}, "legacy", "absent")
		r.want("legacy", "10.0.0.1:80 10.0.0.2:80 10.0.0.9:80 127.0.0.1:80", "at once, sorted")
		r.want("absent", "", "a service that is not configured")
		if st := r.Status(); len(st.Pending) != 0 || st.Age != 0 || st.Err != nil {
			t.Errorf("status %+v", st)
		}
		if list, _ := r.instances("legacy"); list[0].Weight != 1 || !list[0].Local || list[0].ID != one {
			t.Errorf("instance %+v", list[0])
		}
		pass(time.Hour)
		if len(w.pings) != 0 {
			t.Error("instances without a check were pinged")
		}
	})
}

func TestTheFirstResultDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fail(two, errors.New("refused"))
		w.hang["10.0.0.3:80"] = true
		r := start(t, w, []Spec{spec(&Check{TCP: true, HealthyAfter: 5, UnhealthyAfter: 5}, "10.0.0.1", "10.0.0.2", "10.0.0.3")}, "legacy")
		r.want("legacy", "10.0.0.1:80 (10.0.0.2:80) (10.0.0.3:80)", "before any time has passed")
		if st := r.Status(); !slices.Equal(st.Pending, []string{"legacy"}) {
			t.Errorf("pending %v while an instance has no result", st.Pending)
		}
		list, _ := r.instances("legacy")
		if in := list[2]; in.Ineligible != "not checked yet" || in.Health != catalog.Critical {
			t.Errorf("instance without a result: %+v", in)
		}
		pass(time.Second)
		if st := r.Status(); len(st.Pending) != 0 {
			t.Errorf("pending %v after the timeout", st.Pending)
		}
		in, _ := r.instances("legacy")
		if in[1].Output != "refused" || in[2].Output != "no answer within 1s" {
			t.Errorf("outputs %q and %q", in[1].Output, in[2].Output)
		}
	})
}

func TestThresholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, []Spec{spec(&Check{TCP: true, Interval: 10 * time.Second}, "10.0.0.1")}, "legacy")
		results := func(n int) { // wait for n more
			for target := w.count(one) + n; w.count(one) < target; {
				pass(time.Second)
			}
		}
		w.fail(one, errors.New("refused"))
		results(2)
		r.want("legacy", one, "two failures of three")
		w.fail(one, nil)
		results(1)
		w.fail(one, errors.New("refused"))
		results(2)
		r.want("legacy", one, "two failures again, a success between")
		results(1)
		r.want("legacy", "("+one+")", "three failures in a row")
		w.fail(one, nil)
		results(1)
		r.want("legacy", "("+one+")", "one success of two")
		results(1)
		r.want("legacy", one, "two successes in a row")
	})
}

func TestIntervalIsJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		start(t, w, []Spec{spec(&Check{TCP: true, Interval: 10 * time.Second}, "10.0.0.1")}, "legacy")
		pass(time.Hour)
		different := map[time.Duration]bool{}
		for i := 1; i < len(w.pings[one]); i++ {
			d := w.pings[one][i].Sub(w.pings[one][i-1])
			if d < 9*time.Second || d > 11*time.Second {
				t.Fatalf("an interval of %v, want 10s give or take a tenth", d)
			}
			different[d] = true
		}
		if len(different) < 10 {
			t.Errorf("only %d different intervals in an hour", len(different))
		}
	})
}

func TestQuietChecksPublishNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.fail(two, errors.New("refused"))
		r := start(t, w, []Spec{spec(&Check{TCP: true}, "10.0.0.1", "10.0.0.2")}, "legacy")
		_, before := r.instances("legacy")
		pass(time.Hour)
		if _, n := r.instances("legacy"); n != before {
			t.Errorf("%d snapshots while nothing changed", n-before)
		}
	})
}

func TestReplaceKeepsWhatIsUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		check := &Check{TCP: true, Interval: 10 * time.Second}
		r := start(t, w, []Spec{spec(check, "10.0.0.1", "10.0.0.2")}, "legacy")
		pass(time.Second)

		next := spec(&Check{TCP: true, Interval: 10 * time.Second}, "10.0.0.1", "10.0.0.3")
		next.Instances[0].Weight = 7
		if err := r.Replace([]Spec{next}); err != nil {
			t.Fatal(err)
		}
		r.want("legacy", "10.0.0.1:80 10.0.0.3:80", "one went, one came")
		if w.count(one) != 1 || w.count("10.0.0.3:80") != 1 {
			t.Errorf("%d pings to the one that stays, %d to the new one, want 1 each", w.count(one), w.count("10.0.0.3:80"))
		}
		if list, _ := r.instances("legacy"); list[0].Weight != 7 {
			t.Errorf("weight %d, want the new one", list[0].Weight)
		}
		before := w.count(two)
		pass(time.Minute)
		if w.count(two) != before {
			t.Error("an instance that went is pinged")
		}

		before = w.count(one)
		next.Check = &Check{HTTP: "/health"}
		if err := r.Replace([]Spec{next}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.count(one) != before+1 {
			t.Error("another check did not start anew")
		}

		if err := r.Replace([]Spec{{Name: ""}}); err == nil {
			t.Error("a bad spec was accepted")
		}
		if err := r.Replace([]Spec{next, next}); err == nil {
			t.Error("a service configured twice was accepted")
		}
		r.want("legacy", "10.0.0.1:80 10.0.0.3:80", "after refused replacements")

		if err := r.Replace(nil); err != nil {
			t.Fatal(err)
		}
		r.want("legacy", "", "no longer configured, still followed")
		before = w.count(one)
		pass(time.Minute)
		if w.count(one) != before {
			t.Error("an instance that is no longer configured is pinged")
		}
	})
}

func TestReplaceSharesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := spec(nil, "10.0.0.1")
		s.Instances[0].Tags = []string{"a"}
		r := start(t, newWorld(), []Spec{s}, "legacy")
		s.Instances[0].Tags[0], s.Instances[0].Port = "b", 81
		r.Follow([]string{"legacy", "x"})
		r.want("legacy", one, "after the caller changed its values")
		if list, _ := r.instances("legacy"); list[0].Tags[0] != "a" {
			t.Errorf("tag %q", list[0].Tags[0])
		}
	})
}

func TestFollowStartsAndStopsPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := start(t, w, []Spec{spec(&Check{TCP: true}, "10.0.0.1")})
		pass(time.Minute)
		if w.count(one) != 0 {
			t.Error("a service that nobody follows is pinged")
		}
		r.Follow([]string{"legacy", "legacy", ""})
		r.want("legacy", one, "followed")
		r.Follow(nil)
		r.want("legacy", "?", "no longer followed")
		before := w.count(one)
		pass(time.Minute)
		if w.count(one) != before {
			t.Error("a service that is no longer followed is pinged")
		}
	})
}

func TestOwnAddressIsNeverEligibleNorPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := spec(&Check{TCP: true}, "10.0.0.9")
		s.Instances[0].Port = 8080
		s.Instances = append(s.Instances, Instance{Address: "169.254.169.254", Port: 80})
		r := start(t, w, []Spec{s}, "legacy")
		r.want("legacy", "(10.0.0.9:8080) (169.254.169.254:80)", "refused addresses")
		pass(time.Minute)
		if len(w.pings) != 0 {
			t.Errorf("pinged %v", w.pings)
		}
		if st := r.Status(); len(st.Pending) != 0 {
			t.Errorf("pending %v: no result will ever come", st.Pending)
		}
	})
}
