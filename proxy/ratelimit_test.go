package proxy_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// item is one member of a structured-field List of Strings with Integer
// parameters (RFC 9651).
type item struct {
	name   string
	params []string // "q=1", in order
}

// parseList reads such a list, and nothing else.
func parseList(s string) (items []item, err error) {
	next := func(accept string) bool {
		if len(s) > 0 && strings.IndexByte(accept, s[0]) >= 0 {
			s = s[1:]
			return true
		}
		return false
	}
	for {
		var it item
		if !next(`"`) {
			return nil, fmt.Errorf("no string at %q", s)
		}
		for !next(`"`) {
			next(`\`)
			if s == "" || s[0] < 0x20 || s[0] > 0x7e {
				return nil, fmt.Errorf("no end of string at %q", s)
			}
			it.name, s = it.name+s[:1], s[1:]
		}
		for next(";") {
			key, rest, ok := strings.Cut(s, "=")
			n := 0
			for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9') {
				n++
			}
			if !ok || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") != "" || n == 0 || n > 15 {
				return nil, fmt.Errorf("no parameter at %q", s)
			}
			it.params, s = append(it.params, key+"="+rest[:n]), rest[n:]
		}
		items = append(items, it)
		if s == "" {
			return items, nil
		}
		if !next(",") || !next(" ") {
			return nil, fmt.Errorf("no comma at %q", s)
		}
	}
}

// decides is a step that has asked limits.
func decides(verdicts ...proxy.Verdict) proxy.Step {
	return stepFunc(func(x *proxy.Exchange) bool {
		x.Verdicts = append(x.Verdicts, verdicts...)
		for _, v := range verdicts {
			if !v.Decision.Allowed && !v.Limit.Permissive {
				x.Deny()
				return false
			}
		}
		return true
	})
}

func TestRateLimitFields(t *testing.T) {
	bucket := limits.Policy{Quota: 50, Window: 5 * time.Second, Interval: 100 * time.Millisecond}
	day := limits.Policy{Quota: 1000, Window: 24 * time.Hour}
	info := func(name string, p limits.Policy, h proxy.LimitHeaders) *proxy.LimitInfo {
		return proxy.NewLimitInfo(name, p, h, false, "client.ip")
	}
	allowed := func(remaining int64, next, reset time.Duration) limits.Decision {
		return limits.Decision{Allowed: true, Remaining: remaining, NextAfter: next, ResetAfter: reset}
	}
	denied := func(retry, next time.Duration) limits.Decision {
		return limits.Decision{RetryAfter: retry, NextAfter: next, ResetAfter: time.Hour}
	}
	const ms = time.Millisecond
	for _, c := range []struct {
		name          string
		verdicts      []proxy.Verdict
		policy, limit string // "-" for none
		retry         string
		legacy        string // limit, remaining, reset
	}{
		{
			name:     "a bucket with something left",
			verdicts: []proxy.Verdict{{Limit: info("per-user", bucket, 0), Decision: allowed(12, 30*ms, 4*time.Second)}},
			policy:   `"per-user";q=50;w=5`, limit: `"per-user";r=12;t=2`, retry: "-",
		},
		{
			name:     "a window with something left",
			verdicts: []proxy.Verdict{{Limit: info("daily", day, 0), Decision: allowed(12, 36399*time.Second+ms, 36399*time.Second+ms)}},
			policy:   `"daily";q=1000;w=86400`, limit: `"daily";r=12;t=36400`, retry: "-",
		},
		{
			name:     "the last one",
			verdicts: []proxy.Verdict{{Limit: info("per-user", bucket, 0), Decision: allowed(0, 30*ms, 5*time.Second)}},
			policy:   `"per-user";q=50;w=5`, limit: `"per-user";r=0;t=1`, retry: "-",
		},
		{
			name: "two, one of which refuses",
			verdicts: []proxy.Verdict{
				{Limit: info("per-user", bucket, 0), Decision: allowed(12, 30*ms, 4*time.Second)},
				{Limit: info("daily", day, 0), Decision: denied(36400*time.Second, 36400*time.Second)},
			},
			policy: `"per-user";q=50;w=5, "daily";q=1000;w=86400`, limit: `"per-user";r=12;t=2, "daily";r=0;t=36400`, retry: "36400",
		},
		{
			name: "two refuse: the longer wait",
			verdicts: []proxy.Verdict{
				{Limit: info("a", bucket, 0), Decision: denied(2*time.Second, 100*ms)},
				{Limit: info("b", bucket, 0), Decision: denied(1500*ms, 100*ms)},
			},
			policy: `"a";q=50;w=5, "b";q=50;w=5`, limit: `"a";r=0;t=1, "b";r=0;t=1`, retry: "2",
		},
		{
			name:     "a moment is a second",
			verdicts: []proxy.Verdict{{Limit: info("a", bucket, 0), Decision: denied(1, 1)}},
			policy:   `"a";q=50;w=5`, limit: `"a";r=0;t=1`, retry: "1",
		},
		{
			name:     "exactly",
			verdicts: []proxy.Verdict{{Limit: info("a", bucket, 0), Decision: denied(2*time.Second, time.Second)}},
			policy:   `"a";q=50;w=5`, limit: `"a";r=0;t=1`, retry: "2",
		},
		{
			name:     "rounded up",
			verdicts: []proxy.Verdict{{Limit: info("a", bucket, 0), Decision: denied(2*time.Second+1, time.Second)}},
			policy:   `"a";q=50;w=5`, limit: `"a";r=0;t=1`, retry: "3",
		},
		{
			name:     "t is never later than Retry-After",
			verdicts: []proxy.Verdict{{Limit: info("a", bucket, 0), Decision: limits.Decision{Remaining: 40, RetryAfter: time.Second, NextAfter: ms}}},
			policy:   `"a";q=50;w=5`, limit: `"a";r=40;t=1`, retry: "1",
		},
		{
			name:     "never",
			verdicts: []proxy.Verdict{{Limit: info("a", bucket, 0), Decision: denied(limits.Never, 100*ms)}},
			policy:   `"a";q=50;w=5`, limit: `"a";r=0;t=1`, retry: "-",
		},
		{
			name: "never outlasts any wait",
			verdicts: []proxy.Verdict{
				{Limit: info("a", bucket, 0), Decision: denied(limits.Never, 100*ms)},
				{Limit: info("b", bucket, 0), Decision: denied(time.Second, 100*ms)},
			},
			policy: `"a";q=50;w=5, "b";q=50;w=5`, limit: `"a";r=0;t=1, "b";r=0;t=1`, retry: "-",
		},
		{
			name:     "a window shorter than a second",
			verdicts: []proxy.Verdict{{Limit: info("a", limits.Policy{Quota: 1, Window: 999 * ms}, 0), Decision: allowed(0, 5*ms, 5*ms)}},
			policy:   `"a";q=1`, limit: `"a";r=0;t=1`, retry: "-",
		},
		{
			name:     "a window between whole seconds",
			verdicts: []proxy.Verdict{{Limit: info("a", limits.Policy{Quota: 1, Window: 1001 * ms}, 0), Decision: allowed(0, 0, 0)}},
			policy:   `"a";q=1;w=2`, limit: `"a";r=0;t=0`, retry: "-",
		},
		{
			name:     "odd names",
			verdicts: []proxy.Verdict{{Limit: info("a\"\\;é", bucket, 0), Decision: allowed(0, 0, 0)}},
			policy:   `"a\"\\;??";q=50;w=5`, limit: `"a\"\\;??";r=0;t=0`, retry: "-",
		},
		{
			name:     "more than an Integer holds",
			verdicts: []proxy.Verdict{{Limit: info("a", limits.Policy{Quota: 1 << 60, Window: time.Second}, 0), Decision: allowed(1<<60, 0, 0)}},
			policy:   `"a";q=999999999999999;w=1`, limit: `"a";r=999999999999999;t=0`, retry: "-",
		},
		{
			name: "permissive limits are silent",
			verdicts: []proxy.Verdict{
				{Limit: proxy.NewLimitInfo("quiet", bucket, 0, true, ""), Decision: denied(time.Hour, time.Hour)},
				{Limit: info("a", bucket, 0), Decision: allowed(1, 0, 0)},
			},
			policy: `"a";q=50;w=5`, limit: `"a";r=1;t=1`, retry: "-",
		},
		{
			name:     "only a permissive one",
			verdicts: []proxy.Verdict{{Limit: proxy.NewLimitInfo("quiet", bucket, proxy.LegacyHeaders, true, ""), Decision: denied(time.Hour, time.Hour)}},
			policy:   "-", limit: "-", retry: "-",
		},
		{
			name:     "off, but for Retry-After",
			verdicts: []proxy.Verdict{{Limit: info("a", bucket, proxy.NoHeaders), Decision: denied(2*time.Second, 0)}},
			policy:   "-", limit: "-", retry: "2",
		},
		{
			name: "legacy: the tightest",
			verdicts: []proxy.Verdict{
				{Limit: info("a", bucket, proxy.LegacyHeaders), Decision: allowed(12, 0, 0)},
				{Limit: info("b", day, proxy.LegacyHeaders), Decision: allowed(11, 0, 90*time.Second)},
				{Limit: info("c", bucket, 0), Decision: allowed(3, 0, 0)},
			},
			policy: `"c";q=50;w=5`, limit: `"c";r=3;t=1`, retry: "-", legacy: "1000 11 90",
		},
		{
			name: "legacy: the one that refused",
			verdicts: []proxy.Verdict{
				{Limit: info("a", bucket, proxy.LegacyHeaders), Decision: allowed(0, 0, 0)},
				{Limit: info("b", day, proxy.LegacyHeaders), Decision: denied(90*time.Second, 90*time.Second)},
			},
			policy: "-", limit: "-", retry: "90", legacy: "1000 0 90",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.route.Steps = []proxy.Step{decides(c.verdicts...)} })
			g.serve(get("/orders"))
			m := g.answered()
			for name, want := range map[string]string{"RateLimit-Policy": c.policy, "RateLimit": c.limit, "Retry-After": c.retry} {
				if got := m.get(name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			legacy := strings.Join([]string{m.get("X-RateLimit-Limit"), m.get("X-RateLimit-Remaining"), m.get("X-RateLimit-Reset")}, " ")
			if want := strings.TrimPrefix(c.legacy+" - - -", " "); !strings.HasPrefix(want, legacy) {
				t.Errorf("legacy fields: %s, want %s", legacy, want)
			}
			checkAgreement(t, m)
		})
	}
}

// checkAgreement parses the fields back and holds what they must have in common.
func checkAgreement(t *testing.T, m message) {
	t.Helper()
	if m.get("RateLimit") == "-" {
		return
	}
	policy, err := parseList(m.get("RateLimit-Policy"))
	if err != nil {
		t.Fatal(err)
	}
	limit, err := parseList(m.get("RateLimit"))
	if err != nil {
		t.Fatal(err)
	}
	same := slices.EqualFunc(policy, limit, func(a, b item) bool { return a.name == b.name })
	if !same {
		t.Errorf("the policies are %v, the limits %v", policy, limit)
	}
}

func TestViolatedPolicies(t *testing.T) {
	info := func(name string, permissive bool) *proxy.LimitInfo {
		return proxy.NewLimitInfo(name, limits.Policy{Quota: 1, Window: time.Second}, 0, permissive, "client.ip")
	}
	refuses := limits.Decision{RetryAfter: time.Second}
	g := newGateway(t, &memory{}, func(s *setup) {
		s.route.Steps = []proxy.Step{decides(
			proxy.Verdict{Limit: info("fine", false), Decision: limits.Decision{Allowed: true}},
			proxy.Verdict{Limit: info("quiet", true), Decision: refuses},
			proxy.Verdict{Limit: info("dai\"ly", false), Decision: refuses},
			proxy.Verdict{Limit: info("weekly", false), Decision: refuses},
		)}
	})
	g.serve(get("/orders"))
	d := parseDocument(t, g.answered().body)
	if g.x.Response.Status != 429 || !slices.Equal(d.Violated, []string{"dai\"ly", "weekly"}) {
		t.Errorf("%+v", d)
	}
	if l := g.logged(); l["limit"] != "dai\"ly" || l["limit_key_class"] != "client.ip" {
		t.Errorf("logged as %v", l)
	}
}

// TestInstancesOwnLimits: an instance has limits of its own, and its client may
// see them beside the gateway's.
func TestInstancesOwnLimits(t *testing.T) {
	own := "HTTP/1.1 200 OK\r\nRateLimit: \"app\";r=1;t=1\r\nRateLimit-Policy: \"app\";q=2;w=1\r\nX-RateLimit-Limit: 7\r\nX-RateLimit-Reset: 7\r\nX-Request-Id: other\r\n\r\n"
	for _, headers := range []proxy.LimitHeaders{proxy.StandardHeaders, proxy.LegacyHeaders} {
		info := proxy.NewLimitInfo("ours", limits.Policy{Quota: 5, Window: time.Second}, headers, false, "all")
		g := newGateway(t, &memory{reply: []byte(own)}, func(s *setup) {
			s.route.Steps = []proxy.Step{decides(proxy.Verdict{Limit: info, Decision: limits.Decision{Allowed: true, Remaining: 4, ResetAfter: time.Second}})}
		})
		g.serve(get("/orders"))
		m := g.answered()
		want := map[string]string{"RateLimit": `"app";r=1;t=1`, "RateLimit-Policy": `"app";q=2;w=1`, "X-RateLimit-Limit": "7", "X-RateLimit-Reset": "7"}
		if headers == proxy.StandardHeaders {
			want["RateLimit"] += `, "ours";r=4;t=1`
			want["RateLimit-Policy"] += `, "ours";q=5;w=1`
		} else {
			want["X-RateLimit-Limit"], want["X-RateLimit-Remaining"], want["X-RateLimit-Reset"] = "5", "4", "1"
		}
		for name, w := range want {
			if got := strings.Join(m.all(name), ", "); got != w {
				t.Errorf("%s: %s, want %s", name, got, w)
			}
		}
		if got := m.get("X-Request-Id"); got != string(g.x.RequestID()) {
			t.Errorf("the instance's request id got through: %s", got)
		}
	}
}

// TestRateLimitOverTime asks a real bucket and reads its fields as a client does.
func TestRateLimitOverTime(t *testing.T) {
	l := newLimit(t, "per_ip", "10/h", 3)
	g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.route.Steps = phase(l) })
	for i := range 5 {
		g.serve(get("/orders"))
		m := g.answered()
		limit, err := parseList(m.get("RateLimit"))
		if err != nil {
			t.Fatal(err)
		}
		status, left := 200, 2-i
		if left < 0 {
			status, left = 429, 0
		}
		if g.x.Response.Status != status || limit[0].params[0] != "r="+strconv.Itoa(left) {
			t.Errorf("request %d: %d, %v", i, g.x.Response.Status, limit)
		}
		if got := m.get("RateLimit-Policy"); got != `"per_ip";q=3;w=1080` {
			t.Errorf("the policy is %s", got)
		}
		if retry := m.get("Retry-After"); status == 429 && retry != "360" {
			t.Errorf("request %d: Retry-After: %s", i, retry)
		}
	}
}
