package upstream

import (
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// strictCloser fails the test when it is closed twice, or while it is in use.
type strictCloser struct {
	t      *testing.T
	open   *atomic.Int64 // closers that are open, over all endpoints
	users  atomic.Int64
	closed atomic.Bool
}

func (c *strictCloser) Close() error {
	if c.closed.Swap(true) {
		c.t.Error("closed twice")
	}
	if c.users.Load() != 0 {
		c.t.Error("closed while in use")
	}
	c.open.Add(-1)
	return nil
}

// Requests come and go through several pools, fail and are retried, while the
// catalog and the policies change under them. At the end everything adds up.
func TestConcurrently(t *testing.T) {
	const (
		workers  = 8
		requests = 3000
	)
	in := instances(2 * scanLimit)
	for i := range in {
		in[i].Weight = 1 + i%3
		if i%2 == 0 {
			in[i].Tags = []string{"even"}
		}
	}
	s, all := newPool(t, PoolSpec{}, in...)
	pools := []*Pool{
		all,
		mustPool(t, s, PoolSpec{Service: "web", Tags: []string{"even"}, MaxConnections: 3}),
	}
	for _, b := range Balancers() {
		pools = append(pools, mustPool(t, s, PoolSpec{Service: "web", Balance: b.Name, MaxConnections: 100}))
	}

	var (
		clock              atomic.Int64 // milliseconds since t0
		acquired, open     atomic.Int64
		refused, slow, bad atomic.Int64
		stop               = make(chan struct{})
		requesters, rest   sync.WaitGroup
	)
	now := func() time.Time { return t0.Add(time.Duration(clock.Load()) * time.Millisecond) }
	for w := range workers {
		requesters.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			var kept [4]Attempt // several in flight for each worker

			// On one processor the catalog may come late.
			for n := 0; n < requests || acquired.Load() == 0; n++ {
				clock.Add(1)
				a := &kept[r.IntN(len(kept))]
				if e := a.Endpoint(); e != nil {
					e.Connections(0).(*strictCloser).users.Add(-1)
				}
				a.Release()
				*a = Attempt{}
				p := pools[r.IntN(len(pools))]
				for try := range 3 {
					e, _ := p.Acquire(a, now())
					if e == nil {
						break
					}
					acquired.Add(1)
					c := e.LoadOrAttach(0, func(*Endpoint) io.Closer {
						open.Add(1)
						return &strictCloser{t: t, open: &open}
					}).(*strictCloser)
					c.users.Add(1)
					if c.closed.Load() {
						t.Error("the connections of an endpoint that is held are closed")
					}
					o := Success
					switch r.IntN(20) {
					case 0:
						o = Refused
						refused.Add(1)
					case 1:
						o = TimedOut
						slow.Add(1)
					case 2:
						o = Broke
						bad.Add(1)
					case 3:
						o = Canceled
					}
					a.Report(o, now())
					if try == 2 || o == Success || o == Canceled || !p.Retry(now()) {
						break
					}
					c.users.Add(-1)
				}
			}
			for i := range kept {
				if e := kept[i].Endpoint(); e != nil {
					e.Connections(0).(*strictCloser).users.Add(-1)
				}
				kept[i].Release()
			}
		})
	}
	until := func(f func(r *rand.Rand)) {
		rest.Go(func() {
			r := rand.New(rand.NewPCG(9, 9))
			for {
				select {
				case <-stop:
					return
				default:
					f(r)
				}
			}
		})
	}
	until(func(r *rand.Rand) {
		lo := r.IntN(len(in))
		next := instances(len(in))[lo : lo+r.IntN(len(in)-lo+1)]
		for i := range next {
			next[i].Weight, next[i].Tags = in[lo+i].Weight, in[lo+i].Tags
			if r.IntN(5) == 0 {
				next[i].Ineligible = "critical"
			}
			if r.IntN(20) == 0 {
				next[i].Port += 5000
			}
		}
		s.Apply(snapshot("consul", next...))
	})
	until(func(r *rand.Rand) { s.Retain(pools[:r.IntN(len(pools)+1)]) })
	until(func(*rand.Rand) {
		for _, st := range s.Describe(now()) {
			if st.InFlight < 0 {
				t.Errorf("%d in flight", st.InFlight)
			}
		}
		pools[1].Describe(now())
	})

	requesters.Wait()
	close(stop)
	rest.Wait()

	st, ok := s.DescribeService("web", now())
	if !ok { // nothing is left of it: name it again
		mustPool(t, s, PoolSpec{Service: "web"})
		st, _ = s.DescribeService("web", now())
	}
	if st.InFlight != 0 {
		t.Errorf("%d in flight at the end", st.InFlight)
	}
	if got := int64(st.Requests); got != acquired.Load() || got == 0 {
		t.Errorf("%d requests counted, %d acquired", got, acquired.Load())
	}
	want := Causes{Refused: uint64(refused.Load()), TimedOut: uint64(slow.Load()), Broke: uint64(bad.Load())}
	if st.Failures != want {
		t.Errorf("failures %+v, want %+v", st.Failures, want)
	}
	s.Apply(snapshot("consul"))
	if got := open.Load(); got != 0 {
		t.Errorf("%d connections are open after everything has gone", got)
	}
	for _, p := range pools {
		for i, c := range p.cands {
			t.Errorf("candidate %d is left: %+v", i, c)
		}
	}
}

// An attach that races with the endpoint's end is closed once, whoever wins.
func TestAttachRacesWithRetirement(t *testing.T) {
	for range 300 {
		s, p := newPool(t, PoolSpec{}, instances(1)...)
		e := p.eps[0]
		var made, open atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() { s.Apply(snapshot("consul")) })
		for slot := range Slots {
			for range 2 {
				wg.Go(func() {
					e.LoadOrAttach(slot, func(*Endpoint) io.Closer {
						made.Add(1)
						open.Add(1)
						return &strictCloser{t: t, open: &open}
					})
				})
			}
		}
		wg.Wait()
		if made.Load() != Slots || open.Load() != 0 {
			t.Fatalf("%d made for %d slots, %d are open", made.Load(), Slots, open.Load())
		}
	}
}
