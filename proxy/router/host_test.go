package router_test

import (
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// TestHosts has the form in which hosts are compared, and whether a rule names
// them.
func TestHosts(t *testing.T) {
	r := mustNew(t, []router.Rule{
		{Name: "a", Hosts: []string{"a.com", "[::1]"}},
		{Name: "b", Hosts: []string{"*.b.com"}},
		{Name: "c", Hosts: []string{"*"}},
	})
	for _, c := range []struct {
		in, want string
		known    bool
	}{
		{"a.com", "a.com", true},
		{"A.Com.:80", "a.com", true},
		{"a.com:", "a.com", true},
		{"[::1]:443", "[::1]", true},
		{"[::1]", "[::1]", true},
		{"[::2]", "[::2]", false},
		{"x.B.com:1", "x.b.com", true},
		{"b.com", "b.com", false},
		{".b.com", ".b.com", false},
		{"c.com", "c.com", false},
		{"a.com:8x", "a.com:8x", false},
		{"::1", "::1", false},
		{"[::1]x:1", "[::1]x", false},
		{".", ".", false},
		{"", "", false},
		{":80", "", false},
	} {
		if got := string(router.AppendHost([]byte(">"), []byte(c.in))); got != ">"+c.want {
			t.Errorf("AppendHost(%q) appends %q, want %q", c.in, got[1:], c.want)
		}
		if got := r.KnownHost([]byte(c.in)); got != c.known {
			t.Errorf("KnownHost(%q) = %v", c.in, got)
		}
	}
}
