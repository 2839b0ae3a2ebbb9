package router_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/router"
)

var (
	merge  = router.PathOptions{MergeSlashes: true}
	keep   = router.PathOptions{}
	strict = router.PathOptions{MergeSlashes: true, RejectEncodedSlash: true}
)

// TestNormalize has rows of what a path becomes, or why it is refused, with
// slashes merged and encoded ones kept, as listeners do by default.
func TestNormalize(t *testing.T) {
	for _, c := range []struct {
		in, want string
		err      error
	}{
		// Already normal.
		{in: "/", want: "/"},
		{in: "/a", want: "/a"},
		{in: "/a/", want: "/a/"},
		{in: "/A/b", want: "/A/b"},
		{in: "/.well-known/x", want: "/.well-known/x"},
		{in: "/...", want: "/..."},
		{in: "/.../..a/.a", want: "/.../..a/.a"},
		{in: "/a.b/c..d", want: "/a.b/c..d"},
		{in: "/a:b@c!$&'()*+,;=", want: "/a:b@c!$&'()*+,;="},
		{in: "/a;v=1/b", want: "/a;v=1/b"},
		{in: "/caf%C3%A9", want: "/caf%C3%A9"},
		{in: "*", want: "*"},

		// Unreserved octets are decoded, others are spelled in upper case.
		{in: "/%61%7A%41%5A%30%39", want: "/azAZ09"},
		{in: "/%2d%2E%5f%7e", want: "/-._~"},
		{in: "/caf%c3%a9", want: "/caf%C3%A9"},
		{in: "/%3a%3B%40%24", want: "/%3A%3B%40%24"},
		{in: "/%3f%23", want: "/%3F%23"},
		{in: "/%20%7f%0a", want: "/%20%7F%0A"},

		// Nothing is decoded twice.
		{in: "/%252e%252e/a", want: "/%252e%252e/a"},
		{in: "/%252F", want: "/%252F"},
		{in: "/%2561", want: "/%2561"},
		{in: "/%2500", want: "/%2500"},

		// Dot segments.
		{in: "/.", want: "/"},
		{in: "/./", want: "/"},
		{in: "/..", want: "/"},
		{in: "/../..", want: "/"},
		{in: "/a/.", want: "/a/"},
		{in: "/a/..", want: "/"},
		{in: "/a/b/..", want: "/a/"},
		{in: "/a/b/../", want: "/a/"},
		{in: "/a/b/../c", want: "/a/c"},
		{in: "/a/./b", want: "/a/b"},
		{in: "/a/b/c/./../../g", want: "/a/g"},
		{in: "/mid/content=5/../6", want: "/mid/6"},
		{in: "/%2e", want: "/"},
		{in: "/a/%2E%2e/b", want: "/b"},
		{in: "/a/.%2e/b", want: "/b"},
		{in: "/a/%2e./b", want: "/b"},
		{in: "/a;x/../b", want: "/b"},
		{in: "/a%2Fb/../c", want: "/c"},

		// Empty segments.
		{in: "//", want: "/"},
		{in: "///", want: "/"},
		{in: "//a", want: "/a"},
		{in: "/a//b///c//", want: "/a/b/c/"},
		{in: "/a//../b", want: "/b"},
		{in: "/a/.//b", want: "/a/b"},
		{in: "/a/..//b", want: "/b"},

		// %2F is data.
		{in: "/a%2fb", want: "/a%2Fb"},
		{in: "/a%2F%2Fb", want: "/a%2F%2Fb"},
		{in: "/%2F", want: "/%2F"},
		{in: "/a%2F.b", want: "/a%2F.b"},

		// What browsers forget to escape.
		{in: "/[a]{b}|^`<\">", want: "/%5Ba%5D%7Bb%7D%7C%5E%60%3C%22%3E"},

		// Refused.
		{in: "", err: router.NotAbsolute},
		{in: "a", err: router.NotAbsolute},
		{in: "**", err: router.NotAbsolute},
		{in: "*/", err: router.NotAbsolute},
		{in: "http://a/", err: router.NotAbsolute},
		{in: ".", err: router.NotAbsolute},
		{in: "%2Fa", err: router.NotAbsolute},
		{in: "/a b", err: router.BadByte},
		{in: "/a\tb", err: router.BadByte},
		{in: "/a\x00", err: router.BadByte},
		{in: "/a\r\nb", err: router.BadByte},
		{in: "/a\x7f", err: router.BadByte},
		{in: "/caf\xc3\xa9", err: router.BadByte},
		{in: "/\xff", err: router.BadByte},
		{in: "/a?b", err: router.BadByte},
		{in: "/a#b", err: router.BadByte},
		{in: "/%", err: router.BadEscape},
		{in: "/%4", err: router.BadEscape},
		{in: "/%4/", err: router.BadEscape},
		{in: "/%zz", err: router.BadEscape},
		{in: "/%4g", err: router.BadEscape},
		{in: "/%u002e", err: router.BadEscape},
		{in: "/%%32%65", err: router.BadEscape},
		{in: "/%+1", err: router.BadEscape},
		{in: "/a%00", err: router.EncodedNUL},
		{in: "/%00.html/../a", err: router.EncodedNUL},
		{in: "/a\\b", err: router.Backslash},
		{in: "/a%5cb", err: router.Backslash},
		{in: "/a%5Cb", err: router.Backslash},
		{in: "/a/..;x/b", err: router.HiddenDots},
		{in: "/a/..;", err: router.HiddenDots},
		{in: "/a/.;/b", err: router.HiddenDots},
		{in: "/a/..%3b/b", err: router.HiddenDots},
		{in: "/a/..%2Fb", err: router.HiddenDots},
		{in: "/a/%2e%2e%2fb", err: router.HiddenDots},
		{in: "/a%2F..", err: router.HiddenDots},
		{in: "/a%2F.", err: router.HiddenDots},
		{in: "/a%2F../b", err: router.HiddenDots},
		{in: "/a%2F..;x%2Fb", err: router.HiddenDots},
		{in: "/.%2F", err: router.HiddenDots},
		{in: "/a/..;x/../b", err: router.HiddenDots},
		{in: "/%c0%ae%c0%ae/b", err: router.HiddenDots},
		{in: "/.%C0%AE/b", err: router.HiddenDots},
		{in: "/%e0%80%ae%e0%80%ae/b", err: router.HiddenDots},
		{in: "/%f0%80%80%ae./b", err: router.HiddenDots},
		{in: "/..%c0%afb", err: router.HiddenDots},
		{in: "/..%c1%9cb", err: router.HiddenDots},
		{in: "/..%E0%80%AFb", err: router.HiddenDots},
		{in: "/..%F0%80%80%AFb", err: router.HiddenDots},

		// The same octets are text in GBK, and data.
		{in: "/%C0%B4%C0%AE", want: "/%C0%B4%C0%AE"},
		{in: "/%C0%2E", want: "/%C0."},
		{in: "/%E0%B8%81", want: "/%E0%B8%81"},
	} {
		got, err := router.Normalize(nil, []byte(c.in), merge)
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("Normalize(%q) = %q, %v; want %q, %v", c.in, got, err, c.want, c.err)
		}
		var reason router.PathError
		if errors.As(err, &reason) && (reason.Status() != 400 || reason.Error() == "path is malformed") {
			t.Errorf("Normalize(%q): status %d, %q", c.in, reason.Status(), reason)
		}
	}
}

// TestNormalizeOptions has what differs when a listener chooses otherwise.
func TestNormalizeOptions(t *testing.T) {
	for _, c := range []struct {
		in   string
		opt  router.PathOptions
		want string
		err  error
	}{
		{in: "//", opt: keep, want: "//"},
		{in: "//a", opt: keep, want: "//a"},
		{in: "/a//b", opt: keep, want: "/a//b"},
		{in: "/a//../b", opt: keep, want: "/a/b"},
		{in: "/a//.", opt: keep, want: "/a//"},
		{in: "/a/..//b", opt: keep, want: "//b"},
		{in: "/..//..", opt: keep, want: "/"},
		{in: "//..", opt: keep, want: "/"},
		{in: "/%2f", opt: strict, err: router.EncodedSlash},
		{in: "/a%2Fb", opt: strict, err: router.EncodedSlash},
		{in: "/a%252Fb", opt: strict, want: "/a%252Fb"},
	} {
		got, err := router.Normalize(nil, []byte(c.in), c.opt)
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("Normalize(%q, %+v) = %q, %v; want %q, %v", c.in, c.opt, got, err, c.want, c.err)
		}
	}
}

// TestNormalizeReturnsPathItself: a normal path is not copied, and the buffer
// is used, behind what it holds, for the others.
func TestNormalizeReturnsPathItself(t *testing.T) {
	for _, s := range []string{"/", "/a/b;c/d.e", "/.well-known", "/caf%C3%A9/%2F", "*"} {
		in := []byte(s)
		out, err := router.Normalize(nil, in, merge)
		if err != nil || &out[0] != &in[0] || len(out) != len(in) {
			t.Errorf("Normalize(%q) = %q, %v: not the path itself", s, out, err)
		}
	}
	buf := make([]byte, 2, 64)
	copy(buf, "ab")
	out, err := router.Normalize(buf, []byte("/x/../%79"), merge)
	if err != nil || string(out) != "/y" || &out[0] != &buf[:3][2] || string(buf) != "ab" {
		t.Errorf("behind a buffer: %q, %v, buffer %q", out, err, buf)
	}
}

func TestNormalizeAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 128)
	for _, s := range []string{
		"/orders/1234/items;v=1", "/caf%C3%A9/.well-known", "/a/../b//%7e|", "/a/..;/b", "/%zz", "no",
	} {
		in := []byte(s)
		if n := testing.AllocsPerRun(100, func() { _, _ = router.Normalize(buf, in, merge) }); n != 0 {
			t.Errorf("Normalize(%q): %v allocations", s, n)
		}
	}
}

// FuzzNormalize: it never panics, and what it accepts is a path of RFC 3986 in
// normal form, the same when normalised again.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{
		"/a/b", "/a/../b", "/%2e%2e/a", "/a//b", "/a/..;x/b", "/%C0%AE%c0%ae/a", "/..%2Fa", "/%252e", "/a|b", "*", "/%", "/a/.%2",
		"/%F0%80%80%AE", "/a/./.", "//..//", "/%00", "\\",
	} {
		f.Add([]byte(s), true, false)
		f.Add([]byte(s), false, true)
	}
	f.Fuzz(func(t *testing.T, path []byte, mergeSlashes, reject bool) {
		opt := router.PathOptions{MergeSlashes: mergeSlashes, RejectEncodedSlash: reject}
		in := bytes.Clone(path)
		out, err := router.Normalize(nil, path, opt)
		if !bytes.Equal(in, path) {
			t.Fatalf("Normalize(%q) changed its input to %q", in, path)
		}
		if err != nil {
			var reason router.PathError
			if out != nil || !errors.As(err, &reason) {
				t.Fatalf("Normalize(%q) = %q, %v", path, out, err)
			}
			return
		}
		if string(out) == "*" {
			return
		}
		if out[0] != '/' {
			t.Fatalf("Normalize(%q) = %q: no slash", path, out)
		}
		if mergeSlashes && bytes.Contains(out, []byte("//")) {
			t.Fatalf("Normalize(%q) = %q: empty segment", path, out)
		}
		for i := range out {
			if c := out[i]; c <= ' ' || c >= 0x7F || strings.IndexByte("\"<>[]^`{|}\\?#", c) >= 0 {
				t.Fatalf("Normalize(%q) = %q: holds %q", path, out, c)
			}
		}
		undone := strings.NewReplacer("%2F", "/", "%3B", ";").Replace(string(out))
		for part := range strings.SplitSeq(undone, "/") {
			part, _, _ = strings.Cut(part, ";")
			if part == "." || part == ".." {
				t.Fatalf("Normalize(%q) = %q: dot segment", path, out)
			}
		}
		again, err := router.Normalize(nil, out, opt)
		if err != nil || &again[0] != &out[0] || len(again) != len(out) {
			t.Fatalf("Normalize(%q) = %q, and again %q, %v", path, out, again, err)
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	buf := make([]byte, 0, 128)
	for name, s := range map[string]string{
		"plain":   "/api/v1/orders/123456/items",
		"escaped": "/api/v1/caf%C3%A9/123456/items",
		"rewrite": "/api/v1/./caf%c3%a9//123456/items",
	} {
		b.Run(name, func(b *testing.B) {
			in := []byte(s)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = router.Normalize(buf, in, merge)
			}
		})
	}
}
