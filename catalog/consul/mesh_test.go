package consul

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// TestWary doubts the first word that nobody offers a service through the mesh.
func TestWary(t *testing.T) {
	now := time.Now()
	sure := answer{index: 5, knownLeader: true}
	for _, c := range []struct {
		name   string
		wary   bool
		answer answer
		want   verdict
		reason string
	}{
		{"a service in clear", false, answer{index: 5, filtered: true}, accept, ""},
		{"certain", true, sure, accept, ""},
		{"filtered", true, answer{index: 5, knownLeader: true, filtered: true}, hold, heldFiltered},
		{"no token", true, answer{index: 5, knownLeader: true, anonymous: true, denyDefault: true}, hold, heldAnonymous},
		{"no leader", true, answer{index: 5}, hold, heldNoLeader},
		{"a blocking answer", true, answer{index: 5, asked: 4}, reread, ""},
		{"somebody does", true, answer{index: 5, filtered: true, entries: []*api.ServiceEntry{{}}}, accept, ""},
	} {
		w := tracker{wary: c.wary}
		if v, reason := w.take(now, c.answer); v != c.want || reason != c.reason {
			t.Errorf("%s: %d, %q", c.name, v, reason)
		}
	}
}

// TestShareOf points at a service by the names that its sidecars have.
func TestShareOf(t *testing.T) {
	m := &share{names: map[string]struct{}{"web-sidecar-proxy": {}}}
	for name, want := range map[string]bool{"web": true, "web-sidecar-proxy": true, "web@mesh": false, "api": false} {
		if got := m.of("web@mesh", func(n string) bool { return n == name }); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !new(share).of("web", func(n string) bool { return n == "web" }) {
		t.Error("a service is not pointed at by its own name")
	}
}
