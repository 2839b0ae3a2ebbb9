package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lictor/lictor/agent"
)

// Answers as the admin API gives them, and as people are shown them.
func TestExplainGolden(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file, text string
		code       int
	}{
		{"../../agent/testdata/explain.json", "explain.txt", 0},
		{"testdata/explain-refused.json", "explain-refused.txt", 1},
		{"testdata/explain-split.json", "explain-split.txt", 0},
	} {
		raw, err := os.ReadFile(test.file)
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.ReplaceAll(raw, []byte(": N"), []byte(": 0"))
		address, last := answering(t, 200, string(raw))
		with := map[string]string{"LICTOR_ADDR": address}
		r := lictor(with, "explain", "http://a/")
		if last() != (asked{"POST", "/v1/explain", ""}) || r.code != test.code || r.stderr != "" || strings.Contains(r.stdout, "\x1b") {
			t.Errorf("%s: %+v", test.file, r)
		}
		golden(t, test.text, r.stdout)

		address, last = answering(t, 200, string(raw))
		r = lictor(map[string]string{"LICTOR_ADDR": address, "COLUMNS": "72"}, "explain", "http://a/")
		last()
		for line := range strings.Lines(r.stdout) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 72 && strings.Contains(strings.Trim(line, "│├└ \n"), " ") {
				t.Errorf("%d columns: %s", n, line)
			}
		}

		address, last = answering(t, 200, string(raw))
		if r := lictor(map[string]string{"LICTOR_ADDR": address}, "explain", "-json", "http://a/"); r.stdout != string(raw) || r.code != test.code {
			t.Errorf("-json: %+v", r)
		}
		last()
	}
}

// The flags make the question; the token goes in its body.
func TestExplainQuestion(t *testing.T) {
	t.Parallel()
	var got agent.ExplainRequest
	var kind string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind = r.Header.Get("Content-Type")
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		io.WriteString(w, `{"outcome":{"reaches":true}}`)
	}))
	t.Cleanup(s.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a.b.c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := lictor(nil, "explain", "-address", s.Listener.Addr().String(), "-method", "POST", "-header", "X-A: 1", "-header", "X-B: 2",
		"-token-file", token, "-from", "203.0.113.9", "-source", "web", "-listener", "public", "-reveal", "http://a/b?c")
	if r.code != 0 || kind != "application/json" {
		t.Errorf("%+v, sent as %q", r, kind)
	}
	want := agent.ExplainRequest{Method: "POST", URL: "http://a/b?c", Headers: []string{"X-A: 1", "X-B: 2"}, Token: "a.b.c", From: "203.0.113.9", Source: "web", Listener: "public", Reveal: true}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if string(a) != string(b) {
		t.Errorf("asked %s, want %s", a, b)
	}
}

func TestExplainUsage(t *testing.T) {
	t.Parallel()
	address, _ := answering(t, 400, `{"title":"From: \"x\" is no address."}`)
	for _, test := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{nil, 2, "give one URL"},
		{[]string{"http://a/", "-method", "POST"}, 2, "give one URL, after the flags"},
		{[]string{"-nonsense", "http://a/"}, 2, "not defined: -nonsense"},
		{[]string{"-h"}, 0, "Exit code 0"},
		{[]string{"-token-file", "missing", "http://a/"}, 1, "missing"},
		{[]string{"-address", address, "-from", "x", "http://a/"}, 2, `lictor explain: From: "x" is no address`},
		{[]string{"-address", "127.0.0.1:1", "http://a/"}, 1, "can't be reached"},
	} {
		r := lictor(nil, append([]string{"explain"}, test.args...)...)
		if r.code != test.code || !strings.Contains(r.stderr, test.stderr) || r.stdout != "" {
			t.Errorf("%q: %+v", test.args, r)
		}
	}
}

// Colours are for terminals that show them.
func TestTreeColours(t *testing.T) {
	t.Parallel()
	root := &branch{}
	root.add(bad, "REFUSED").add(good, "a\x1b[2Jb")
	var b strings.Builder
	tree{colour: true}.write(&b, root)
	if got, want := b.String(), "\x1b[31mREFUSED\x1b[0m\n\x1b[2m└ \x1b[0m\x1b[32ma\uFFFD[2Jb\x1b[0m\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for name, e := range map[string]env{
		"NO_COLOR": {getenv: func(n string) string { return map[string]string{"NO_COLOR": "1"}[n] }},
		"TERM":     {getenv: func(n string) string { return map[string]string{"TERM": "dumb"}[n] }},
	} {
		if plainly(e) == "" {
			t.Errorf("%s is not heeded", name)
		}
	}
}
