package ui

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Bounds of the sampler.
const (
	// mostViewers is how many may watch at once.
	mostViewers = 32
	// keptChanges is by how many steps a viewer may be late and still get changes
	// only.
	keptChanges = 8
	// slowEvery is how many steps lie between the looks at what takes long.
	slowEvery = 5
	// mostAnswers bounds the answers that a viewer gets at first.
	mostAnswers = 200
)

// Sampler reads the gateway and tells viewers. There is one for all of them.
type Sampler struct {
	gateway Gateway

	mu      sync.Mutex
	history *history
	last    time.Time
	viewers int
	step    uint64
	tables  *tables       // nil while nobody watches
	answer  uint64        // the number of the newest that was told
	changes [][]byte      // the last steps' messages, the newest at the end
	stepped chan struct{} // closed with the next step
}

// NewSampler returns one that begins to remember with Run.
func NewSampler(g Gateway) *Sampler {
	return &Sampler{gateway: g, history: newHistory(), stepped: make(chan struct{})}
}

// Run reads the gateway every second until ctx is done.
func (s *Sampler) Run(ctx context.Context) {
	tick := time.NewTicker(Step)
	defer tick.Stop()
	s.sample(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.sample(now)
		}
	}
}

// sample does one step.
func (s *Sampler) sample(now time.Time) {
	counted := s.gateway.Counted()
	s.mu.Lock()
	defer s.mu.Unlock()
	took := Step
	if !s.last.IsZero() {
		took = now.Sub(s.last)
	}
	s.last = now
	s.history.record(counted, took)
	s.step++
	if s.viewers == 0 {
		s.tables, s.changes = nil, nil
		return
	}
	was := s.tables
	s.tables = tablesOf(s.gateway.State(s.step%slowEvery == 0), was)
	s.changes = append(s.changes, s.messageLocked(now, was))
	if len(s.changes) > keptChanges {
		s.changes = slices.Delete(s.changes, 0, 1)
	}
	close(s.stepped)
	s.stepped = make(chan struct{})
}

// messageLocked tells one step's changes.
func (s *Sampler) messageLocked(now time.Time, was *tables) []byte {
	b := s.headLocked("step", now)
	b = s.tables.appendChanges(b, was)
	b = append(b, `,"total":`...)
	b = s.history.total.last.appendJSON(b, true)
	b = append(b, `,"points":{"routes":{`...)
	b = appendLast(b, s.history.routes, true)
	b = append(b, `},"limits":{`...)
	b = appendLast(b, s.history.limits, false)
	b = append(b, `}}`...)
	if answers := s.gateway.Answers(s.answer); len(answers) > 0 {
		s.answer = answers[0].Seq
		b = append(b, `,"answers":`+text(answers[:min(len(answers), mostAnswers)])...)
	}
	return append(b, "}\n\n"...)
}

// everythingLocked is the first message to a viewer.
func (s *Sampler) everythingLocked() []byte {
	b := s.headLocked("state", s.last)
	b = append(b, `"step_ms":`+strconv.FormatInt(Step.Milliseconds(), 10)+`,"kept":`+strconv.Itoa(kept)+`,`...)
	b = s.tables.appendAll(b)
	answers := s.gateway.Answers(0)
	i := slices.IndexFunc(answers, func(a Answer) bool { return a.Seq <= s.answer }) // newer ones are told in the next step
	if i < 0 {
		i = len(answers)
	}
	answers = answers[i:]
	b = append(b, `,"answers":`+text(append([]Answer{}, answers[:min(len(answers), mostAnswers)]...))...)
	b = append(b, `,"total":`...)
	b = s.history.total.appendJSON(b)
	b = append(b, `,"history":{"routes":{`...)
	b = appendHistory(b, s.history.routes)
	b = append(b, `},"limits":{`...)
	b = appendHistory(b, s.history.limits)
	return append(b, "}}}\n\n"...)
}

// headLocked begins a message of server-sent events.
func (s *Sampler) headLocked(event string, now time.Time) []byte {
	b := append([]byte("event: "+event+"\nid: "), strconv.FormatUint(s.step, 10)...)
	b = append(b, "\ndata: {\"time\":"...)
	b = strconv.AppendInt(b, now.UnixMilli(), 10)
	return append(b, ',')
}

func appendLast(b []byte, all map[string]*series, route bool) []byte {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if p := all[name].last; !p.idle() { // a page takes what is not told for nothing
			b = appendComma(b)
			b = append(b, text(name)+":"...)
			b = p.appendJSON(b, route)
		}
	}
	return b
}

func appendHistory(b []byte, all map[string]*series) []byte {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if s := all[name]; len(s.points) > 0 {
			b = appendComma(b)
			b = append(b, text(name)+":"...)
			b = s.appendJSON(b)
		}
	}
	return b
}

// watch counts a viewer in; false means that there are too many. Each that was
// counted in must be counted out by leave.
func (s *Sampler) watch() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.viewers >= mostViewers {
		return false
	}
	s.viewers++
	if s.tables == nil {
		if answers := s.gateway.Answers(0); len(answers) > 0 {
			s.answer = answers[0].Seq
		}
		s.tables = tablesOf(s.gateway.State(true), nil)
	}
	return true
}

func (s *Sampler) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.viewers--
}

// next returns what a viewer who has seen a step is to be told, up to which step
// that goes, and a channel that is closed when there is more. A viewer that has
// seen nothing says 0 and gets everything.
func (s *Sampler) next(seen uint64, fresh bool) (message []byte, step uint64, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	late := s.step - seen
	switch {
	case fresh || late > uint64(len(s.changes)):
		message = s.everythingLocked()
	default:
		for _, m := range s.changes[len(s.changes)-int(late):] { //nolint:gosec // at most that many
			message = append(message, m...)
		}
	}
	return message, s.step, s.stepped
}
