package proxy_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

var logFields = strings.Fields("time request_id client user method host path query status bytes_in bytes_out duration_ms upstream_ms route service " +
	"instance retries limit limit_key_class user_agent referer tls protocol error")

func TestJSONLogLine(t *testing.T) {
	for _, c := range []struct {
		name    string
		request string
		edit    func(*setup)
		want    map[string]any
	}{
		{
			"forwarded", method("POST", "/orders/%7e?page=2&q=a%20b", "User-Agent: curl/8", "Referer: https://example.com/x?y=1") + "hello", func(*setup) {},
			map[string]any{
				"client": "192.0.2.7", "method": "POST", "host": "api.example.com", "path": "/orders/%7e", "query": "page=2&q=a%20b", "status": 200.0,
				"bytes_in": 5.0, "bytes_out": 11.0, "route": "orders", "service": "orders", "retries": 0.0, "limit": "per_ip", "limit_key_class": "client.ip",
				"user_agent": "curl/8", "referer": "https://example.com/x?y=1", "tls": false, "protocol": "HTTP/1.1", "error": "",
			},
		},
		{
			"no route", get("/nothing"), func(s *setup) { s.tls, s.peer = true, "[2001:db8::7]:1" },
			map[string]any{
				"client": "2001:db8::7", "status": 404.0, "route": "-", "service": "", "instance": "", "limit": "", "limit_key_class": "", "query": "",
				"upstream_ms": 0.0, "user_agent": "", "referer": "", "tls": true, "error": "no-route",
			},
		},
		{
			"control bytes", get("/orders", "User-Agent: a\x1b[31m\"\\\x00\x7f\xc2\x9b", "Referer: \xe2\x80\xa8\xff?\xc3"), func(*setup) {},
			map[string]any{"user_agent": "a\x1b[31m\"\\\x00\x7f\u009b", "referer": "\u2028\ufffd?\ufffd"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{reply: []byte(reply)}, c.edit)
			g.serve(c.request)
			line := g.lines()[0]
			if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 }) {
				t.Errorf("%q", line)
			}
			l := g.logged()
			if got := slices.Sorted(maps.Keys(l)); !slices.Equal(got, slices.Sorted(slices.Values(logFields))) {
				t.Errorf("the fields are %q", got)
			}
			for name, want := range c.want {
				if l[name] != want {
					t.Errorf("%s: %#v, want %#v", name, l[name], want)
				}
			}
			at, err := time.Parse("2006-01-02T15:04:05.000Z", l["time"].(string))
			if since := time.Since(at); err != nil || since < -time.Minute || since > time.Hour {
				t.Errorf("the time is %v: %v", l["time"], err)
			}
		})
	}
}

// TestLogOrder: people read these lines, so the fields stay in the order that
// is documented.
func TestLogOrder(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)})
	g.serve(get("/orders"))
	dec := json.NewDecoder(strings.NewReader(g.lines()[0]))
	var got []string
	for depth, key := 0, true; ; key = !key {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		if d, ok := tok.(json.Delim); ok {
			if depth++; d == '{' {
				key = false
				continue
			}
			break
		}
		if key {
			got = append(got, tok.(string))
		}
	}
	if !slices.Equal(got, logFields) {
		t.Errorf("%q", got)
	}
}

func TestSecretsStayOut(t *testing.T) {
	for query, want := range map[string]string{
		"token=SECRET":                             "token=REDACTED",
		"a=1&Access_Token=SECRET&b=2":              "a=1&Access_Token=REDACTED&b=2",
		"client_secret=SECRET":                     "client_secret=REDACTED",
		"a=1;token=SECRET;b=2":                     "a=1;token=REDACTED;b=2",
		"a=1?token=SECRET":                         "a=1?token=REDACTED",
		"token=a=SECRET":                           "token=REDACTED",
		"%74oken=SECRET":                           "%74oken=REDACTED",
		"to+ken=SECRET":                            "to+ken=REDACTED",
		"user[password]=SECRET":                    "user[password]=REDACTED",
		"user[pwd]=SECRET":                         "user[pwd]=REDACTED",
		"X-Amz-Security-Token=SECRET&X-Amz-Date=1": "X-Amz-Security-Token=REDACTED&X-Amz-Date=1",
		"X-Goog-Signature=SECRET":                  "X-Goog-Signature=REDACTED",
		"SAMLResponse=SECRET":                      "SAMLResponse=REDACTED",
		"apikey=SECRET&api-key=SECRET":             "apikey=REDACTED&api-key=REDACTED",
		"ours=SECRET&OURS=SECRET":                  "ours=REDACTED&OURS=REDACTED",
		strings.Repeat("n", 100) + "=SECRET":       strings.Repeat("n", 100) + "=REDACTED",
		"token=":                                   "token=REDACTED",
		"page=2&author=x&monkey=y&q=token":         "page=2&author=x&monkey=y&q=token",
		"&&a&=b&":                                  "&&a&=b&",
		"":                                         "",
	} {
		g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.secrets = []string{"ours"} })
		g.serve(get("/orders?"+query, "Referer: https://example.com/a?"+query, "Cookie: session=SECRET", "Authorization: Bearer SECRET"))
		l := g.logged()
		if l["query"] != want || l["referer"] != "https://example.com/a?"+want {
			t.Errorf("%q is logged as %q, and in a referer %q", query, l["query"], l["referer"])
		}
		if line := g.lines()[0]; strings.Contains(line, "SECRET") {
			t.Errorf("%q: %s", query, line)
		}
		for _, format := range []proxy.LogFormat{proxy.CommonLog, proxy.CombinedLog} {
			g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.secrets, s.format = []string{"ours"}, format })
			g.serve(get("/orders?"+query, "Referer: https://example.com/a?"+query))
			if line := g.lines()[0]; strings.Contains(line, "SECRET") || !strings.Contains(line, "/orders?"+want) {
				t.Errorf("%q: %s", query, line)
			}
		}
	}
	g := newGateway(t, &memory{reply: []byte(reply)})
	g.serve(get("/orders", "Referer: https://example.com/cb#access_token=SECRET&x=1"))
	if got := g.logged()["referer"]; got != "https://example.com/cb#access_token=REDACTED&x=1" {
		t.Errorf("a fragment is logged as %q", got)
	}
}

var clfTime = regexp.MustCompile(`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]`)

func TestCommonFormats(t *testing.T) {
	for _, c := range []struct {
		name             string
		request          string
		common, combined string
	}{
		{
			"plain", get("/orders?a=1", "User-Agent: curl/8", "Referer: https://example.com/"),
			`192.0.2.7 - - [TIME] "GET /orders?a=1 HTTP/1.1" 200 11`, ` "https://example.com/" "curl/8"`,
		},
		{"bare", get("/nothing"), `192.0.2.7 - - [TIME] "GET /nothing HTTP/1.1" 404 BYTES`, ` "-" "-"`},
		{
			"hostile", get("/orders?", "User-Agent: a\" \\ \x1b\xff\x7f", "Referer: \"?\""),
			`192.0.2.7 - - [TIME] "GET /orders? HTTP/1.1" 200 11`, ` "\"?\"" "a\" \\ \x1b\xff\x7f"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for format, want := range map[proxy.LogFormat]string{proxy.CommonLog: c.common, proxy.CombinedLog: c.common + c.combined} {
				g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.format = format })
				g.serve(c.request)
				got := clfTime.ReplaceAllString(g.lines()[0], "[TIME]")
				got = regexp.MustCompile(` 404 \d+`).ReplaceAllString(got, " 404 BYTES")
				if got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

// TestNobodyHidesFromTheLog by sending so much that the line would be too long.
func TestNobodyHidesFromTheLog(t *testing.T) {
	long := strings.Repeat("\x01", 30000)
	for _, format := range []proxy.LogFormat{proxy.JSONLog, proxy.CombinedLog} {
		g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.format = format })
		for _, request := range []string{
			get("/orders?"+long, "User-Agent: "+long, "Referer: "+long),
			get("/nothing/" + strings.Repeat("x", 30000) + long),
			strings.Replace(get("/orders"), "api.example.com", long, 1),
			method(long, "/orders"),
		} {
			g.serve(request)
			if n := g.sink.Dropped(); n != 0 {
				t.Errorf("%d lines were dropped", n)
			}
		}
		for _, line := range g.lines() {
			if format == proxy.JSONLog && !json.Valid([]byte(line)) {
				t.Errorf("%.200s", line)
			}
		}
	}
}

func TestLoggedLimit(t *testing.T) {
	l := newLimit(t, "slow", "1/h", 1)
	g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.route.Steps = phase(newLimit(t, "wide", "1000/s", 0), l) })
	for range 2 {
		g.serve(get("/orders"))
		if line := g.logged(); line["limit"] != "slow" || line["limit_key_class"] != "client.ip" {
			t.Errorf("logged as %v", line)
		}
	}
	if line := g.logged(); line["status"] != 429.0 || line["error"] != "quota-exceeded" {
		t.Errorf("logged as %v", line)
	}
}

func TestLogCanChange(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)})
	g.serve(get("/orders"))
	g.proxy.SetLogs()
	g.proxy.Serve(g.request([]byte(get("/orders")), g.conn))
	if n := len(g.lines()); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func BenchmarkLogLine(b *testing.B) {
	for name, format := range map[string]proxy.LogFormat{"json": proxy.JSONLog, "combined": proxy.CombinedLog} {
		b.Run(name, func(b *testing.B) {
			m := &memory{}
			g := newGateway(b, m, silent)
			raw := []byte(get("/nothing?page=2", "User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "Referer: https://example.com/"))
			x := g.request(raw, g.conn)
			sink := discarding(b, g)
			log := &proxy.Log{Sink: sink, Format: format}
			now := limits.NewClock().Now()
			g.proxy.Serve(x)
			b.ReportAllocs()
			for b.Loop() {
				proxy.AppendLog(log, x, now)
			}
		})
	}
}
