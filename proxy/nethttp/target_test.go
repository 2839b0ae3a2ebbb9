package nethttp

import (
	"net/url"
	"strings"
	"testing"
)

func TestSplitTarget(t *testing.T) {
	for _, c := range []struct {
		target, path, query string
		has                 bool
	}{
		{"/", "/", "", false},
		{"/a?", "/a", "", true},
		{"/a?b?c", "/a", "b?c", true},
		{"//a", "//a", "", false},
		{"/http://x/y", "/http://x/y", "", false},
		{"http://x", "/", "", false},
		{"http://x?q", "/", "q", true},
		{"HTTPS://x:1//y;z?q=/", "//y;z", "q=/", true},
		{"http://x?http://y/z", "/", "http://y/z", true},
		{"http://[::1]:80/a", "/a", "", false},
		{"*", "*", "", false},
		{"example.com:80", "example.com:80", "", false},
		{"http://u@x/a", "http://u@x/a", "", false},
		{"http://x/@", "/@", "", false},
		{"ftp://x/a", "ftp://x/a", "", false},
		{"A::///0", "A::///0", "", false},
		{"", "", "", false},
	} {
		path, query, has := splitTarget([]byte(c.target))
		if string(path) != c.path || string(query) != c.query || has != c.has {
			t.Errorf("%q: %q %q %v, want %q %q %v", c.target, path, query, has, c.path, c.query, c.has)
		}
	}
}

// FuzzTarget compares what is sent with what came, and the split with the
// standard library's.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "/a//b?c", "//a", "//%2F?", "http://x/a?b", "http://u@x/", "*", "/;a=b", "/\xff", "//\xff", "http://x", "A::///0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		std, err := url.ParseRequestURI(target) // as net/http's server does
		if err != nil || strings.ContainsAny(target, " #") {
			return
		}
		path, query, has := splitTarget([]byte(target))
		if string(query) != std.RawQuery || has != (std.RawQuery != "" || std.ForceQuery) {
			t.Fatalf("%q: query %q %v, url has %q %v", target, query, has, std.RawQuery, std.ForceQuery)
		}
		if len(path) == 0 || path[0] != '/' {
			return // the pipeline refuses it
		}
		if p, err := url.PathUnescape(string(path)); err != nil || (p != std.Path && (std.Path != "" || p != "/")) {
			t.Fatalf("%q: path %q, url has %q", target, path, std.Path)
		}
		u := urlOf("x", string(path), string(query), has)
		want := string(path)
		if has {
			want += "?" + string(query)
		}
		got := u.RequestURI()
		if strings.HasPrefix(want, "//") { // normal form is the pipeline's task
			if g, _, _ := strings.Cut(got, "?"); mustUnescape(t, g) != mustUnescape(t, string(path)) {
				t.Fatalf("%q would be sent as %q", want, got)
			}
			return
		}
		if got != want {
			t.Fatalf("%q would be sent as %q", want, got)
		}
	})
}

func mustUnescape(t *testing.T, s string) string {
	t.Helper()
	p, err := url.PathUnescape(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return p
}
