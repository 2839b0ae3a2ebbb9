package ui

import (
	"maps"
	"sync"
	"time"

	"github.com/lictor/lictor/proxy"
)

// fakeGateway is a Gateway that a test may change between steps.
type fakeGateway struct {
	mu      sync.Mutex
	counted Counted
	state   State
	answers []Answer // newest first
	asked   int      // how often State was
}

func newFake() *fakeGateway {
	return &fakeGateway{
		counted: Counted{Routes: []*proxy.RouteMetrics{proxy.NewRouteMetrics("orders")}},
		state: State{
			Gateway: map[string]any{"generation": 1}, Routes: map[string]any{"orders": 1},
			Services: map[string]any{"orders": "s"}, Instances: map[string]any{Instance("orders", "a"): "open", Instance("orders", "b"): "open"},
			Loads: map[string]any{}, Limits: map[string]any{},
		},
	}
}

func (f *fakeGateway) Counted() Counted {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counted
}

func (f *fakeGateway) State(slow bool) *State {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	s := f.state
	if slow {
		s.Unknown = map[string]any{"requests": f.asked}
	}
	return &s
}

func (f *fakeGateway) Answers(since uint64) []Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Answer
	for _, a := range f.answers {
		if a.Seq > since {
			list = append(list, a)
		}
	}
	return list
}

// change edits what the gateway is.
func (f *fakeGateway) change(edit func(f *fakeGateway)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	edit(f)
}

// with returns a copy of rows with one changed; nil removes it.
func with(rows map[string]any, key string, v any) map[string]any {
	out := maps.Clone(rows)
	if out[key] = v; v == nil {
		delete(out, key)
	}
	return out
}

// at is a time of a test.
func at(seconds int) time.Time { return time.Unix(1_800_000_000+int64(seconds), 0) }
