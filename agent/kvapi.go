package agent

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
)

// KVInfo is the answer of GET /v1/policies.
type KVInfo struct {
	Generation uint64 `json:"generation"`
	// Prefix is where policies lie in Consul's KV store, empty when nowhere.
	Prefix string `json:"prefix"`
	// Index is Consul's at the last answer that was believed, AgeMS the time since
	// it last confirmed what is known.
	Index uint64 `json:"index"`
	AgeMS int64  `json:"age_ms"`
	// Current says that the newest keys are those that serve.
	Current bool `json:"current"`
	// Stale says that what is known comes from disk and Consul has not confirmed it.
	Stale bool `json:"stale"`
	// Held is why Consul's last answer was not believed, Error why there is none.
	Held  string `json:"held,omitempty"`
	Error string `json:"error,omitempty"`
	// Diagnostics is why the last reload was refused.
	Diagnostics string    `json:"diagnostics,omitempty"`
	Keys        []KeyText `json:"keys"` // that serve
}

// KeyText is one key of the KV store.
type KeyText struct {
	Key     string `json:"key"`
	Version uint64 `json:"version"` // Consul's ModifyIndex
	Bytes   int    `json:"bytes"`
}

func (ad *admin) listPolicies(w http.ResponseWriter, _ *http.Request) {
	g := ad.agent.current.Load()
	v := KVInfo{Generation: g.number, Current: true, Keys: []KeyText{}}
	if k := ad.agent.kv; k != nil {
		s := k.watch.Status()
		v.Prefix, v.Index, v.AgeMS, v.Held, v.Current = k.prefix, s.Index, s.Age.Milliseconds(), s.Held, !k.behind(g)
		if s.Err != nil {
			v.Error = s.Err.Error()
		}
		if r := k.refusal.Load(); r != nil {
			v.Diagnostics = r.text
		}
		if g.kv != nil {
			v.Stale = k.latest.Load().Stale
			for _, d := range g.kv.List {
				v.Keys = append(v.Keys, KeyText{Key: d.Key, Version: d.Version, Bytes: len(d.Text)})
			}
		}
	}
	writeJSON(w, http.StatusOK, v)
}

// kv tells how current the policies in Consul are.
func (c *collector) kv(out chan<- prometheus.Metric, g *generation) {
	k := c.agent.kv
	if k == nil {
		return
	}
	gauge(out, c.kvAge, k.watch.Status().Age.Seconds())
	behind := 0.0
	if k.behind(g) {
		behind = 1
	}
	gauge(out, c.kvRefused, behind)
}
