package agent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A browser can be made to send requests here by any page that it shows; only
// Host, Origin and Sec-Fetch-Site tell them from an operator's.
func TestGuard(t *testing.T) {
	t.Parallel()
	g := guard{hosts: []string{"gateway.internal", "Edge.Example."}}
	h := g.protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	for _, test := range []struct {
		host   string
		fields string // "Name: value", several joined by "; "
		want   int
	}{
		{"127.0.0.1:9980", "", 200},
		{"127.0.0.1", "", 200},
		{"192.0.2.7:80", "", 200},
		{"[::1]:9980", "", 200},
		{"[::1]", "", 200},
		{"[2001:db8::1]:9980", "", 200},
		{"[fe80::1%25eth0]:9980", "", 200},
		{"localhost", "", 200},
		{"localhost:9980", "", 200},
		{"LocalHost:9980", "", 200},
		{"localhost.", "", 200},
		{"localhost.:9980", "", 200},
		{"gateway.internal", "", 200},
		{"gateway.internal:1", "", 200},
		{"GATEWAY.internal.:1", "", 200},
		{"edge.example", "", 200},
		{"", "", 403},
		{":9980", "", 403},
		{".", "", 403},
		{"evil.example", "", 403},
		{"evil.example:9980", "", 403},
		{"localhost.evil.example", "", 403},
		{"evil.localhost", "", 403},
		{"127.0.0.1.evil.example", "", 403},
		{"127.0.0.1.nip.io:9980", "", 403},
		{"2130706433", "", 403},
		{"0x7f.1", "", 403},
		{"[::1].evil.example", "", 403},
		{"[::1", "", 200}, // net/http refuses it before
		{"x.gateway.internal", "", 403},
		{"gateway.internal.evil.example", "", 403},

		{"127.0.0.1:9980", "Origin: http://127.0.0.1:9980", 200},
		{"[::1]:9980", "Origin: http://[::1]:9980", 200},
		{"gateway.internal", "Origin: https://gateway.internal", 200}, // TLS ends in front of us
		{"127.0.0.1:9980", "Origin: http://127.0.0.1:3000", 403},
		{"127.0.0.1:9980", "Origin: http://127.0.0.1", 403},
		{"127.0.0.1:9980", "Origin: http://localhost:9980", 403},
		{"127.0.0.1:9980", "Origin: http://evil.example", 403},
		{"127.0.0.1:9980", "Origin: http://evil.example/127.0.0.1:9980", 403},
		{"127.0.0.1:9980", "Origin: http://127.0.0.1:9980.evil.example", 403},
		{"127.0.0.1:9980", "Origin: null", 403},
		{"127.0.0.1:9980", "Origin: ", 403},
		{"127.0.0.1:9980", "Origin: http://%zz", 403},
		{"127.0.0.1:9980", "Origin: http://127.0.0.1:9980; Origin: http://evil.example", 403},

		{"127.0.0.1:9980", "Sec-Fetch-Site: same-origin", 200},
		{"127.0.0.1:9980", "Sec-Fetch-Site: none", 200},
		{"127.0.0.1:9980", "Sec-Fetch-Site: cross-site", 403},
		{"127.0.0.1:9980", "Sec-Fetch-Site: same-site", 403},
		{"127.0.0.1:9980", "Sec-Fetch-Site: something-new", 403},
		{"127.0.0.1:9980", "Sec-Fetch-Site: same-origin; Sec-Fetch-Site: cross-site", 403},
		{"127.0.0.1:9980", "Sec-Fetch-Site: cross-site; Origin: http://127.0.0.1:9980", 403},
		{"127.0.0.1:9980", "Sec-Fetch-Site: same-origin; Origin: http://evil.example", 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/v1/reload", http.NoBody)
		r.Host = test.host
		for field := range strings.SplitSeq(test.fields, "; ") {
			if name, value, ok := strings.Cut(field, ": "); ok {
				r.Header.Add(name, value)
			}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("Host %q, %s: %d, want %d", test.host, test.fields, w.Code, test.want)
		}
		if w.Code != 200 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("Host %q: %v", test.host, w.Header())
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("Host %q: %v", test.host, w.Header())
		}
	}
}

func TestAdminToken(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/token"
	write(t, file, "correct horse\n")
	g := start(t, adminAt("127.0.0.1:0", fmt.Sprintf("token_file = %q", file)))
	for _, test := range []struct {
		authorization string
		want          int
		challenge     string
	}{
		{"", 401, `Bearer realm="lictor"`},
		{"Bearer correct horse", 200, ""},
		{"bearer correct horse", 200, ""},
		{"Bearer  correct horse", 200, ""},
		{"Bearer correct", 401, `Bearer realm="lictor", error="invalid_token"`},
		{"Bearer correct horse battery", 401, `Bearer realm="lictor", error="invalid_token"`},
		{"Bearer ", 401, `Bearer realm="lictor", error="invalid_token"`},
		{"Basic correct horse", 401, `Bearer realm="lictor", error="invalid_token"`},
		{"correct horse", 401, `Bearer realm="lictor", error="invalid_token"`},
	} {
		for _, path := range []string{"/v1/health", "/v1/ready", "/v1/config", "/v1/metrics", "/debug/pprof/cmdline", "/none"} {
			var fields []string
			if test.authorization != "" {
				fields = []string{"Authorization: " + test.authorization}
			}
			want := test.want
			if want == 200 && path == "/none" {
				want = 404
			}
			a := g.api("GET", path, fields...)
			if a.status != want || a.header.Get("WWW-Authenticate") != test.challenge {
				t.Errorf("%s with %q: %d %q", path, test.authorization, a.status, a.header.Get("WWW-Authenticate"))
			}
		}
	}
	for _, shown := range []string{g.log.String(), g.api("GET", "/v1/config", "Authorization: Bearer correct horse").body} {
		if strings.Contains(shown, "correct horse") {
			t.Errorf("the token is shown: %s", shown)
		}
	}
	// The right token does not make a page of another site a friend.
	if a := g.api("GET", "/v1/config", "Authorization: Bearer correct horse", "Origin: http://evil.example"); a.status != 403 {
		t.Errorf("%d", a.status)
	}
}
