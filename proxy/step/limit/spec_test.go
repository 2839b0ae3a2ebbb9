package limit

import "testing"

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Local.String(), "local"},
		{Shared.String(), "shared"},
		{FleetShare.String(), "fleet_share"},
		{Enforcing.String(), "enforcing"},
		{Permissive.String(), "permissive"},
		{Disabled.String(), "disabled"},
		{Share.String(), "share"},
		{Open.String(), "open"},
		{Closed.String(), "closed"},
		{Standard.String(), "standard"},
		{Legacy.String(), "legacy"},
		{Off.String(), "off"},
		{Mode(9).String(), "unknown"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestSpecEqual changes one field at a time.
func TestSpecEqual(t *testing.T) {
	base, diags := decode(t, `limit "token_bucket" "a" { rate = "10/s" }`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	faster, diags := decode(t, `limit "token_bucket" "a" { rate = "20/s" }`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if same := base; !base.Equal(&same) || !base.SameBudgets(&same) {
		t.Fatal("a limit differs from itself")
	}
	for _, c := range []struct {
		name        string
		change      func(*Spec)
		sameBudgets bool
	}{
		{"name", func(s *Spec) { s.Name = "b" }, false},
		{"algorithm", func(s *Spec) { s.Algorithm = "leaky_bucket" }, false},
		{"limit", func(s *Spec) { s.Limit = faster.Limit }, true},
		{"key", func(s *Spec) { s.Key = []KeyPart{{Kind: RouteName}} }, false},
		{"claim", func(s *Spec) { s.Key = []KeyPart{{Kind: ClientIP}, {Kind: JWTClaim, Path: []string{"sub"}}} }, false},
		{"scope", func(s *Spec) { s.Scope = Shared }, false},
		{"mode", func(s *Spec) { s.Mode = Permissive }, true},
		{"headers", func(s *Spec) { s.Headers = Legacy }, true},
		{"store", func(s *Spec) { s.OnStoreError = Open }, true},
		{"cost", func(s *Spec) { s.Cost = 2 }, true},
		{"lease", func(s *Spec) { s.Lease = 2 }, true},
		{"max keys", func(s *Spec) { s.MaxKeys = 2 }, true},
		{"ipv6", func(s *Spec) { s.IPv6Prefix = 56 }, false},
		{"ipv4", func(s *Spec) { s.IPv4Prefix = 24 }, false},
	} {
		other := base
		c.change(&other)
		if base.Equal(&other) {
			t.Errorf("%s: two limits that differ are said to be equal", c.name)
		}
		if got := base.SameBudgets(&other); got != c.sameBudgets {
			t.Errorf("%s: SameBudgets is %t, want %t", c.name, got, c.sameBudgets)
		}
	}
}

// A sliding window of another precision can't go on with what was counted.
func TestSameBudgetsOfSlidingWindows(t *testing.T) {
	window := func(precision string) Spec {
		s, diags := decode(t, `limit "sliding_window" "a" {
			limit     = 10
			window    = "1h"
			precision = "`+precision+`"
		}`)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		return s
	}
	precisions := []string{"counter", "log", "buckets"}
	for _, a := range precisions {
		for _, b := range precisions {
			was, now := window(a), window(b)
			if got := was.SameBudgets(&now); got != (a == b) {
				t.Errorf("from %s to %s: SameBudgets is %t", a, b, got)
			}
		}
	}
}
