package limits

import (
	byTime "container/heap"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// server is a service in virtual time: so many workers, each of which takes about
// so long for one request, and a queue in front of them. Its knee is where all
// workers are busy and nobody waits.
type server struct {
	t        *testing.T
	h        Holder
	r        *rand.Rand
	workers  int
	takes    time.Duration
	patience time.Duration // after which a request times out; 0 for never
	passes   bool

	now    time.Duration
	busy   int
	queue  []request
	events events

	served, refused, dropped int
	latency                  time.Duration // of all served together
}

type request struct {
	hold  Hold
	began time.Duration
}

type event struct {
	at   time.Duration
	what func()
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (s *server) after(d time.Duration, what func()) { byTime.Push(&s.events, event{s.now + d, what}) }

func (s *server) clock() Time { return at(int64(s.now)) }

// run lets requests arrive at random at this rate for so long.
func (s *server) run(perSecond float64, d time.Duration) {
	s.served, s.refused, s.dropped, s.latency = 0, 0, 0, 0
	end := s.now + d
	var arrive func()
	arrive = func() {
		s.arrive()
		if gap := time.Duration(s.r.ExpFloat64() / perSecond * float64(time.Second)); s.now+gap < end {
			s.after(gap, arrive)
		}
	}
	s.after(0, arrive)
	for s.events.Len() > 0 && s.events[0].at < end {
		e := byTime.Pop(&s.events).(event)
		s.now = e.at
		e.what()
	}
	s.now = end
}

func (s *server) arrive() {
	d, hold := s.h.Begin([]byte("service"), 1, s.clock(), s.passes)
	if !d.Allowed {
		s.refused++
		if !s.passes {
			return
		}
	}
	s.queue = append(s.queue, request{hold: hold, began: s.now})
	s.work()
}

func (s *server) work() {
	for s.busy < s.workers && len(s.queue) > 0 {
		q := s.queue[0]
		s.queue = s.queue[1:]
		s.busy++
		s.after(time.Duration(float64(s.takes)*(0.75+s.r.Float64()/2)), func() {
			s.busy--
			took := s.now - q.began
			if s.patience > 0 && took > s.patience {
				s.dropped++
				s.h.Answered(q.hold, s.patience, Dropped, s.clock())
			} else {
				s.served++
				s.latency += took
				s.h.Answered(q.hold, took, Served, s.clock())
			}
			s.h.End(q.hold)
			s.work()
		})
	}
}

func (s *server) limit() int64 {
	for _, h := range s.h.Held(s.clock()) {
		return h.Limit
	}
	return 0
}

// knee is what the workers can do in a second.
func (s *server) capacity() float64 { return float64(s.workers) / s.takes.Seconds() }

// goodput is how much of the capacity was used for answers, over so long.
func (s *server) goodput(d time.Duration) float64 {
	return float64(s.served) / s.capacity() / d.Seconds()
}

// slower is how many times as long as the work answers took.
func (s *server) slower() float64 {
	return float64(s.latency) / float64(max(1, s.served)) / float64(s.takes)
}

func newServer(t *testing.T, seed uint64, workers int, takes time.Duration, b AdaptiveConcurrency) *server {
	return &server{
		t: t, h: adaptiveSpec(&b).New(Options{}).(Holder), r: rand.New(rand.NewPCG(seed, 1)), workers: workers, takes: takes,
	}
}

// TestAdaptiveFindsTheKnee and stays there, under a load that never ceases, at
// services of any size and speed.
func TestAdaptiveFindsTheKnee(t *testing.T) {
	for seed, c := range []struct {
		workers int
		takes   time.Duration
		load    float64 // of the capacity
	}{
		{10, 20 * time.Millisecond, 2},
		{10, 20 * time.Millisecond, 10},
		{32, 50 * time.Millisecond, 1.5},
		{100, 30 * time.Millisecond, 1.5},
		{200, 200 * time.Millisecond, 3},
		{6, 10 * time.Millisecond, 3},
	} {
		s := newServer(t, uint64(seed), c.workers, c.takes, AdaptiveConcurrency{LongWindow: "10s"})
		s.run(0.6*s.capacity(), 15*time.Second)
		if part := float64(s.refused) / float64(s.served); part > 0.15 {
			t.Errorf("%+v: while it begins, %d refused, %d served, limit %d", c, s.refused, s.served, s.limit())
		}
		s.run(0.6*s.capacity(), 10*time.Second)
		if part := float64(s.refused) / float64(s.served); part > 0.01 {
			t.Errorf("%+v: %d refused at a load it can bear, %d served, limit %d", c, s.refused, s.served, s.limit())
		}
		const span = 15 * time.Second
		for range 4 {
			s.run(c.load*s.capacity(), span)
			knee := float64(c.workers)
			if l := float64(s.limit()); l < 0.9*knee || l > 2.2*knee+4 {
				t.Errorf("%+v: a limit of %v", c, l)
			}
			if g := s.goodput(span); g < 0.9 {
				t.Errorf("%+v: %.2f of the capacity", c, g)
			}
			if s.slower() > 3 {
				t.Errorf("%+v: answers take %.2f times as long", c, s.slower())
			}
		}
	}
}

// TestAdaptiveStartsUnderLoad: it begins without having seen what is usual.
func TestAdaptiveStartsUnderLoad(t *testing.T) {
	s := newServer(t, 1, 10, 20*time.Millisecond, AdaptiveConcurrency{})
	s.run(3*s.capacity(), 2*time.Minute)
	if s.goodput(2*time.Minute) < 0.9 || s.slower() > 5 {
		t.Errorf("%.2f of the capacity, %.2f times as slow", s.goodput(2*time.Minute), s.slower())
	}
}

// TestAdaptiveRecovers from a time in which the service could do a quarter, and
// from one in which it answered nobody in time.
func TestAdaptiveRecovers(t *testing.T) {
	s := newServer(t, 2, 40, 25*time.Millisecond, AdaptiveConcurrency{})
	s.patience = time.Second
	load := 0.8 * s.capacity()
	s.run(load, time.Minute)
	before := s.limit()

	s.workers = 10
	s.run(load, time.Minute)
	during := s.limit()
	if during > 30 || s.goodput(time.Minute) < 0.9 || s.dropped > 0 {
		t.Errorf("with a quarter: a limit of %d, goodput %.2f, %d dropped", during, s.goodput(time.Minute), s.dropped)
	}

	s.workers = 40
	s.run(load, time.Minute)
	s.run(load, 30*time.Second)
	if s.limit() < 40 || float64(s.refused) > 0.02*float64(s.served) {
		t.Errorf("recovered: a limit of %d, %d refused of %d", s.limit(), s.refused, s.served)
	}

	s.takes = 3 * time.Second // nobody is served in time
	s.run(load, time.Minute)
	if s.limit() > before/2 {
		t.Errorf("where all is dropped: a limit of %d", s.limit())
	}
	s.takes = 25 * time.Millisecond
	s.run(load, time.Minute)
	s.run(load, 30*time.Second)
	if s.limit() < 30 || float64(s.refused) > 0.05*float64(s.served) {
		t.Errorf("recovered again: a limit of %d, %d refused of %d", s.limit(), s.refused, s.served)
	}
}

// TestAdaptiveLearnsToBeSlow: a service that has become three times as slow for
// good, and has three times as many workers, gets as much as before.
func TestAdaptiveLearnsToBeSlow(t *testing.T) {
	s := newServer(t, 3, 20, 20*time.Millisecond, AdaptiveConcurrency{})
	load := 0.9 * s.capacity()
	s.run(load, time.Minute)
	s.takes, s.workers = 3*s.takes, 3*s.workers
	s.run(load, time.Minute)
	s.run(load, 30*time.Second)
	if float64(s.refused) > 0.05*float64(s.served) {
		t.Errorf("a limit of %d, %d refused of %d", s.limit(), s.refused, s.served)
	}
}

// TestAdaptiveWatches: a limit that refuses nobody still finds out, and says what
// it would have refused.
func TestAdaptiveWatches(t *testing.T) {
	s := newServer(t, 4, 20, 20*time.Millisecond, AdaptiveConcurrency{})
	s.passes, s.patience = true, 10*time.Second
	s.run(0.7*s.capacity(), time.Minute)
	if s.refused > s.served/50 {
		t.Errorf("%d would have been refused of %d", s.refused, s.served)
	}
	s.run(1.5*s.capacity(), time.Minute)
	if s.refused < s.served/3 {
		t.Errorf("under too much load, %d would have been refused of %d", s.refused, s.served)
	}
	if n := s.h.InFlight(); n != int64(s.busy+len(s.queue)) {
		t.Errorf("%d in flight, %d held", s.busy+len(s.queue), n)
	}
}

// TestAdaptiveNext is the arithmetic of one window.
func TestAdaptiveNext(t *testing.T) {
	s := adaptiveSpec(&AdaptiveConcurrency{MinLimit: 10, MaxLimit: 200, LongWindow: "10s"})
	usual := estimate{limit: 100, short: 10, long: 10, known: 100}
	for name, c := range map[string]struct {
		from estimate
		w    sample
		want estimate
	}{
		"the first":            {estimate{limit: 100, quick: true}, sample{sum: 200, served: 10, inFlight: 100}, estimate{limit: 120, short: 20, long: 20, quick: true, since: 1}},
		"as usual":             {usual, sample{sum: 100, served: 10, inFlight: 80}, estimate{limit: 102, short: 10, long: 10, known: 100, since: 1}},
		"idle":                 {estimate{limit: 100, short: 10, long: 10, since: 7}, sample{sum: 100, served: 10, inFlight: 49}, estimate{limit: 100, short: 10, long: 10, known: 100}},
		"idle, slower":         {usual, sample{sum: 300, served: 10, inFlight: 49}, estimate{limit: 100, short: 30, long: 12, known: 100}},
		"within the tolerance": {usual, sample{sum: 150, served: 10, inFlight: 80}, estimate{limit: 102, short: 15, long: 10, known: 100, since: 1}},
		"slower":               {usual, sample{sum: 200, served: 10, inFlight: 80}, estimate{limit: 97, short: 20, long: 10, known: 100, since: 1}},
		"far slower":           {usual, sample{sum: 9000, served: 10, inFlight: 80}, estimate{limit: 92, short: 900, long: 10, known: 100, since: 1}},
		"quicker":              {usual, sample{sum: 60, served: 10, inFlight: 80}, estimate{limit: 102, short: 6, long: 9.6, known: 100, since: 1}},
		"far quicker":          {usual, sample{sum: 20, served: 10, inFlight: 80}, estimate{limit: 102, short: 2, long: 9.2 * 0.95, known: 100, since: 1}},
		"drops":                {usual, sample{sum: 70, served: 7, dropped: 3, inFlight: 80}, estimate{limit: 94, short: 10, long: 10, known: 100, since: 1}},
		"nothing but drops":    {usual, sample{dropped: 10, inFlight: 80}, estimate{limit: 90, short: 10, long: 10, known: 100, since: 1}},
		"drops, idle":          {usual, sample{dropped: 10, inFlight: 49}, usual},
		"few drops":            {usual, sample{sum: 9990, served: 999, dropped: 1, inFlight: 80}, estimate{limit: 102, short: 10, long: 10, known: 100, since: 1}},
		"at the least, slower": {estimate{limit: 10, short: 10, long: 10}, sample{sum: 300, served: 10, inFlight: 10}, estimate{limit: 10, short: 30, long: 10, since: 1}},
		"at the least":         {estimate{limit: 10, short: 20, long: 10}, sample{dropped: 9, inFlight: 10}, estimate{limit: 10, short: 20, long: 10, since: 1}},
		"at the most":          {estimate{limit: 200, short: 10, long: 10}, sample{sum: 100, served: 10, inFlight: 200}, estimate{limit: 200, short: 10, long: 10, since: 1}},
		"without any time":     {usual, sample{served: 10, inFlight: 80}, estimate{limit: 102, long: 9 * 0.95, known: 100, since: 1}},

		"too much for the first time": {estimate{limit: 100, short: 10, long: 10, quick: true}, sample{sum: 200, served: 10, inFlight: 80}, estimate{limit: 48.5, back: 97, short: 20, long: 10, since: 1}},
		"used for long":               {estimate{limit: 100, short: 10, long: 10, known: 100, since: 10}, sample{sum: 100, served: 10, inFlight: 80}, estimate{limit: 51, back: 102, short: 10, long: 10, known: 100, since: 11}},
		"halved":                      {estimate{limit: 100, short: 10, long: 10, known: 200}, sample{sum: 200, served: 10, inFlight: 80}, estimate{limit: 48.5, back: 97, short: 20, long: 10, known: 200, since: 1}},
		"probed, no queue":            {estimate{limit: 50, back: 100, before: 20, long: 10}, sample{sum: 170, served: 10, inFlight: 50}, estimate{limit: 100, short: 17, long: 17, known: 100, quick: true}},
		"probed, a queue":             {estimate{limit: 50, back: 100, before: 20, long: 10}, sample{sum: 120, served: 10, inFlight: 50}, estimate{limit: 100, short: 12, long: 10, known: 100}},
		"probed, less than is usual":  {estimate{limit: 50, back: 100, before: 20, long: 15}, sample{sum: 120, served: 10, inFlight: 50}, estimate{limit: 100, short: 12, long: 12, known: 100}},
		"probed in vain":              {estimate{limit: 50, back: 100, short: 20, long: 15}, sample{dropped: 10, inFlight: 50}, estimate{limit: 100, short: 20, long: 15, known: 100}},
	} {
		c.from.since, c.want.since = c.from.since*float64(time.Second), c.want.since*float64(time.Second)
		got := s.next(c.from, c.w, time.Second)
		far := math.Abs(got.limit-c.want.limit) + math.Abs(got.short-c.want.short) + math.Abs(got.long-c.want.long) +
			math.Abs(got.back-c.want.back) + math.Abs(got.known-c.want.known) + math.Abs(got.since-c.want.since)
		if far > 1e-9 || got.quick != c.want.quick {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestAdaptiveWindows close when they have lasted and know enough.
func TestAdaptiveWindows(t *testing.T) {
	h := adaptiveSpec(&AdaptiveConcurrency{ShortWindow: "100ms"}).New(Options{}).(Holder)
	answer := func(ms int64, took time.Duration, o Outcome) {
		now := at(ms * int64(time.Millisecond))
		_, held := h.Begin([]byte("key"), 1, now, false)
		h.Answered(held, took, o, now)
		h.End(held)
	}
	short := func() time.Duration { return h.Held(at(0))[0].Short }
	for n := range 20 {
		answer(int64(n), time.Millisecond, Served)
	}
	if short() != 0 {
		t.Error("it closed early")
	}
	answer(100, time.Millisecond, Unrelated)
	if short() != 0 {
		t.Error("it closed by what says nothing")
	}
	answer(101, time.Millisecond, Served)
	if short() != time.Millisecond {
		t.Errorf("%v", short())
	}
	answer(300, time.Second, Served)
	if short() != time.Millisecond {
		t.Error("it closed with one answer")
	}
	for range 8 {
		answer(300, time.Second, Left)
	}
	answer(300, time.Microsecond, Left) // who might have been served as usual
	if short() != time.Millisecond {
		t.Error("who left early counts")
	}
	answer(300, time.Second, Left)
	if short() != time.Second {
		t.Errorf("%v", short())
	}
	answer(300+10*1000+1, time.Millisecond, Served)
	if short() != time.Millisecond {
		t.Error("it waits for more answers without an end")
	}
}

func TestAdaptiveSpec(t *testing.T) {
	s := adaptiveSpec(&AdaptiveConcurrency{})
	if s != (AdaptiveConcurrencySpec{4, 20, 1000, 1.5, 0.2, 250 * time.Millisecond, time.Minute}) {
		t.Errorf("by default %+v", s)
	}
	if s := adaptiveSpec(&AdaptiveConcurrency{MinLimit: 50}); s.Initial != 50 {
		t.Errorf("it begins below its least: %+v", s)
	}
	if s := adaptiveSpec(&AdaptiveConcurrency{MaxLimit: 5}); s.Initial != 5 {
		t.Errorf("it begins above its most: %+v", s)
	}
	for attribute, b := range map[string]AdaptiveConcurrency{
		"min_limit":     {MinLimit: -1},
		"max_limit":     {MinLimit: 7, MaxLimit: 6},
		"initial_limit": {InitialLimit: 3},
		"tolerance":     {Tolerance: 0.9},
		"smoothing":     {Smoothing: 1.1},
		"short_window":  {ShortWindow: "1us"},
		"long_window":   {LongWindow: "300ms"},
	} {
		_, err := b.Spec()
		if a, ok := errors.AsType[*AttributeError](err); !ok || a.Attribute != attribute {
			t.Errorf("%s: %v", attribute, err)
		}
	}
	for _, b := range []AdaptiveConcurrency{{Tolerance: math.NaN()}, {Smoothing: math.Inf(1)}, {MaxLimit: MostConcurrent + 1}, {LongWindow: "x"}} {
		if s, err := b.Spec(); err == nil {
			t.Errorf("%+v is valid: %+v", b, s)
		}
	}
}
