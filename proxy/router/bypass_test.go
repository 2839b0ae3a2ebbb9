package router_test

import (
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

// TestBypass has the classic ways round a guarded /admin beside an open
// /public: each must be matched as what the server behind will serve, or be
// refused.
func TestBypass(t *testing.T) {
	const refused = "400"
	rules := []router.Rule{
		{Name: "open", PathPrefix: "/public"},
		{Name: "guarded", PathPrefix: "/admin"},
	}
	r := mustNew(t, rules)
	for _, c := range []struct{ path, want string }{
		{"/admin", "guarded"},
		{"/admin/", "guarded"},
		{"/public/admin", "open"},
		{"//admin", "guarded"},
		{"///admin//x", "guarded"},
		{"/./admin", "guarded"},
		{"/../admin", "guarded"},
		{"/.//admin", "guarded"},
		{"/%2e/admin", "guarded"},
		{"/%61dmin", "guarded"},
		{"/%61%64%6D%69%6e", "guarded"},
		{"/admin/.", "guarded"},
		{"/admin/x/..", "guarded"},
		{"/public/../admin", "guarded"},
		{"/public//../admin", "guarded"},
		{"/public/x/../../admin", "guarded"},
		{"/public/%2e%2e/admin", "guarded"},
		{"/public/.%2E/admin", "guarded"},
		{"/public;/../admin", "guarded"},
		{"/public/..;/admin", refused},
		{"/public/..;x=1/admin", refused},
		{"/public/..%3b/admin", refused},
		{"/public/%2e%2e;/admin", refused},
		{"/public/.;/admin", refused},
		{"/public/..%2fadmin", refused},
		{"/public/..%2Fadmin", refused},
		{"/public%2f..%2fadmin", refused},
		{"/public%2F../admin", refused},
		{"/public/%2e%2e%2fadmin", refused},
		{"/%2e%2e%2fadmin", refused},
		{"/admin%2f..", refused},
		{"/admin%2f..;/public", refused},
		{"/public/..\\admin", refused},
		{"/public\\..\\admin", refused},
		{"/public/..%5cadmin", refused},
		{"/public%5C..%5Cadmin", refused},
		{"\\admin", refused},
		{"/public/%c0%ae%c0%ae/admin", refused},
		{"/public/%c0%ae./admin", refused},
		{"/public/..%c0%afadmin", refused},
		{"/public/%e0%80%ae%e0%80%ae/admin", refused},
		{"/public/\xc0\xae\xc0\xae/admin", refused},
		{"/public\x00/../admin", refused},
		{"/public%00/../admin", refused},
		{"/admin%00.css", refused},
		{"/public/..%00/admin", refused},
		{"/public/.\t./admin", refused},
		{"/public/..%u2215admin", refused},
		{"/public/..%/admin", refused},
		{"/public#/../admin", refused},
		{"/public?/../admin", refused},
		{"admin", refused},
		{"http://h/admin", refused},
		// Escaped twice is data, for us and for a server that decodes once.
		{"/public/%252e%252e/admin", "open"},
		{"/public/%252e%252e%252fadmin", "open"},
		{"/%2561dmin", "404"},
		// These are other paths to us: see the package's documentation.
		{"/ADMIN", "404"},
		{"/admin%2Fx", "404"},
		{"/admin;x", "404"},
		{"/%2Fadmin", "404"},
		{"/admin%20", "404"},
		{"/admin.", "404"},
	} {
		path, err := router.Normalize(nil, []byte(c.path), merge)
		got := refused
		if err == nil {
			got = outcome(r, rules, &router.Request{Path: path, Method: []byte("GET")})
		}
		if got != c.want {
			t.Errorf("%q, normally %q: %s, want %s", c.path, path, got, c.want)
		}
	}
}
