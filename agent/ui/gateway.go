package ui

import (
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
)

// Gateway is what the dashboard shows.
type Gateway interface {
	// Counted returns whose counters are followed. It is asked every second, by
	// one goroutine.
	Counted() Counted
	// State describes everything else. It is asked every second while somebody
	// watches. slow says that this is one of the seldom times, every few seconds,
	// when it should look at what takes long to find out.
	State(slow bool) *State
	// Answers returns the answers that the gateway made itself, newest first, after
	// the one of number since.
	Answers(since uint64) []Answer
}

// Counted are the counters that live as long as what they are counters of.
type Counted struct {
	// Routes are those of the table, and that of requests that no route took.
	Routes []*proxy.RouteMetrics
	Limits []LimitCounters
}

// LimitCounters are those of one limit.
type LimitCounters struct {
	Name string
	*limit.Counters
}

// State is what is so at a moment. Its values are shown as JSON; rows are told
// apart by their keys, and sent only when they have changed.
type State struct {
	Gateway  any
	Routes   map[string]any
	Services map[string]any
	// Instances has the keys of Instance, for what seldom changes of them; Loads
	// has the same keys, for what often does.
	Instances map[string]any
	Loads     map[string]any
	Limits    map[string]any
	// Unknown are the paths that no route takes and that are asked for most; nil for
	// those of before.
	Unknown any
	// Tops are the keys of limits that have the least left, by limit; those that it
	// does not name have those of before.
	Tops map[string]any
}

// Instance is the key of an instance.
func Instance(service, id string) string { return service + "\n" + id }

// Answer is one that the gateway made itself.
type Answer struct {
	Seq       uint64    `json:"n"`
	Time      time.Time `json:"time"`
	Status    int       `json:"status"`
	Problem   string    `json:"problem"`
	Method    string    `json:"method"`
	Host      string    `json:"host"`
	Path      string    `json:"path"`
	Route     string    `json:"route"`
	RequestID string    `json:"id"`
	Client    string    `json:"client"`
	Limit     string    `json:"limit,omitempty"`
	Cause     string    `json:"cause,omitempty"`
}
