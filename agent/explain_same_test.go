package agent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy/upstream"
)

// secretOfTokens signs the tokens of these tests.
const secretOfTokens = "0123456789abcdef0123456789abcdef"

// tokenOf signs claims, which are JSON.
func tokenOf(claims string) string {
	b64 := base64.RawURLEncoding
	signed := b64.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64.EncodeToString([]byte(claims))
	m := hmac.New(sha256.New, []byte(secretOfTokens))
	m.Write([]byte(signed))
	return signed + "." + b64.EncodeToString(m.Sum(nil))
}

// chance draws policies and requests.
type chance struct{ *rand.Rand }

func (c chance) one(in int) bool          { return c.IntN(in) == 0 }
func (c chance) of(list ...string) string { return list[c.IntN(len(list))] }
func (c chance) some(list ...string) (out []string) {
	for _, s := range list {
		if c.one(2) {
			out = append(out, fmt.Sprintf("%q", s))
		}
	}
	return out
}

// policy draws routes with steps, limits and services of every kind.
func (c chance) policy(secretFile, services string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
listener "public" {
  address         = "127.0.0.1:0"
  trusted_proxies = ["127.0.0.0/8"]
  health_path     = "/up"
  merge_slashes   = %v
  encoded_slashes = %q
}
access_log {
  format = "json"
}
jwt "main" {
  issuer     = "https://id.example.com"
  algorithms = ["HS256"]
  locations  = ["header:Authorization", "query:token"]
  json_web_key_set {
    hmac {
      secret_file = %q
    }
  }
}
limit "token_bucket" "bucket" {
  rate  = "1/h"
  burst = %d
  cost  = { POST = 2, other = 1 }
}
limit "sliding_window" "log" {
  limit     = %d
  window    = "2h"
  precision = "log"
  key       = [jwt.sub, route.name]
}
limit "concurrency" "places" {
  max = 3
  key = [service.name]
}
limit "leaky_bucket" "watch" {
  rate = "1/h"
  mode = "permissive"
  key  = [request.header["X-Key"]]
}
limit "token_bucket" "wide" {
  rate  = "1/h"
  burst = 40
  key   = []
}
gateway {
  limits = [%s]
}
`, c.one(2), c.of("keep", "reject"), secretFile, 2+c.IntN(4), 1+c.IntN(4), strings.Join(c.some("wide"), ""))
	b.WriteString(services)
	for i := range 2 + c.IntN(7) {
		fmt.Fprintf(&b, "route \"r%d\" {\n", i)
		if hosts := c.some("a.example.com", "*.example.com"); len(hosts) > 0 {
			fmt.Fprintf(&b, "  hosts = [%s]\n", strings.Join(hosts, ", "))
		}
		fmt.Fprintf(&b, "  %s\n", c.of(`path = "/a/b"`, `path_prefix = "/a"`, `path_prefix = "/"`, `path_pattern = "/a/{x}"`, `path_regex = "/[ab]/.*"`))
		if c.one(3) {
			fmt.Fprintf(&b, "  methods = [%q]\n", c.of("GET", "POST"))
		}
		if c.one(4) {
			fmt.Fprint(&b, "  headers = { x-beta = \"1\" }\n")
		}
		// Conditions that tell apart what would be alike.
		fmt.Fprintf(&b, "  query = { q%d = \"1\" }\n", c.IntN(2)*i)
		if c.one(3) {
			fmt.Fprint(&b, "  max_body = \"10B\"\n")
		}
		fmt.Fprintf(&b, "  limits = [%s]\n", strings.Join(c.some("bucket", "log", "places", "watch"), ", "))
		if c.one(3) {
			fmt.Fprintf(&b, "  jwt {\n    provider = \"main\"\n    optional = %v\n    require  = { scope = \"read\" }\n  }\n", c.one(3))
		}
		if c.one(4) {
			fmt.Fprintf(&b, "  ip_access {\n    deny = [\"203.0.113.2/32\"]\n  }\n")
		}
		if c.one(4) {
			fmt.Fprint(&b, "  request_headers {\n    set = { \"X-Client\" = \"{client.ip}\" }\n    remove = [\"X-Key\"]\n  }\n")
		}
		if c.one(4) {
			fmt.Fprint(&b, "  cors {\n    allow_origins = [\"https://shop.example.com\"]\n  }\n")
		}
		if c.one(6) {
			fmt.Fprintf(&b, "  redirect {\n    to = \"https://new.example.com{path}\"\n  }\n}\n")
			continue
		}
		fmt.Fprintf(&b, "  service = %q\n  balance = %q\n}\n", c.of("up", "up", "one", "down", "nobody"), c.of("least_conn", "round_robin", "random", "hash", "p2c"))
	}
	return b.String()
}

// request draws a request.
func (c chance) request(tokens []string) *ExplainRequest {
	q := &ExplainRequest{
		Method: c.of("GET", "GET", "POST", "HEAD", "DELETE"),
		URL: "http://" + c.of("a.example.com", "b.example.com", "other.org", "A.example.com:80") +
			c.of("/a/b", "/a/b", "/a", "/b/c", "/", "/a//b", "/a/../b/x", "/%2e%2e%2fb", "/up", "/a/%41", "/a%2Fb", "/x%zz") + "?q0=1",
		Headers: []string{"X-Forwarded-For: 203.0.113." + c.of("1", "2", "3")},
	}
	if c.one(3) {
		q.URL += fmt.Sprintf("&q%d=1", c.IntN(8))
	}
	if c.one(3) {
		q.Headers = append(q.Headers, "X-Beta: "+c.of("1", "2"))
	}
	if c.one(3) {
		q.Headers = append(q.Headers, "X-Key: "+c.of("a", "b"))
	}
	if c.one(5) {
		q.Method = "OPTIONS"
		q.Headers = append(q.Headers, "Origin: https://"+c.of("shop", "evil")+".example.com", "Access-Control-Request-Method: "+c.of("GET", "POST", "DELETE"))
	}
	if c.one(2) {
		q.Token = tokens[c.IntN(len(tokens))]
	} else if c.one(6) {
		q.URL += "&token=" + tokens[c.IntN(len(tokens))]
	}
	return q
}

// TestExplainIsWhatHappens explains many requests by many policies, twice, and then
// sends each: status, problem, route and instance must be what was foretold. Nothing
// may have changed meanwhile: of budgets not a nanosecond, no metric, no line of the
// log.
func TestExplainIsWhatHappens(t *testing.T) {
	t.Parallel()
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(secretOfTokens), 0o600); err != nil {
		t.Fatal(err)
	}
	exp := time.Now().Add(time.Hour).Unix()
	tokens := []string{
		tokenOf(fmt.Sprintf(`{"iss":"https://id.example.com","sub":"ada","scope":"read","exp":%d}`, exp)),
		tokenOf(fmt.Sprintf(`{"iss":"https://id.example.com","sub":"bob","scope":"read write","exp":%d}`, exp)),
		tokenOf(fmt.Sprintf(`{"iss":"https://id.example.com","sub":"eve","exp":%d}`, exp)),
		tokenOf(fmt.Sprintf(`{"iss":"https://evil.example.com","sub":"eve","exp":%d}`, exp)),
		tokenOf(`{"iss":"https://id.example.com","exp":1}`), "nonsense",
	}
	c := chance{rand.New(rand.NewPCG(31, 32))}
	named := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Instance", r.Context().Value(http.LocalAddrContextKey).(interface{ String() string }).String())
		w.Header().Set("X-Got", r.Method+" "+r.RequestURI+" "+r.Host)
	}
	services := service("up", instance(t, named), instance(t, named), instance(t, named)) + service("one", instance(t, named)) +
		strings.TrimSuffix(service("down", nobody(t)), "}\n") + "  check {\n    tcp = true\n  }\n}\n"
	seen := map[string]int{}
	for range 12 {
		g, err := build(t, c.policy(secretFile, services))
		for err != nil && strings.Contains(err.Error(), "Conflicting routes") {
			g, err = build(t, c.policy(secretFile, services))
		}
		if err != nil {
			t.Fatal(err)
		}
		g.run().awaitReady()
		eventually(t, "the check has been made", func() bool {
			st, ok := g.set.DescribeService("down", time.Now())
			return !ok || slices.ContainsFunc(st.Endpoints, func(e upstream.EndpointStats) bool { return !e.Instance.Eligible() })
		})
		const requests = 60
		for range requests {
			g.same(c.request(tokens), seen)
		}
		g.stop()
		g.await()
		if n := g.stdout.count("\n"); n != requests {
			t.Errorf("%d lines of log about %d requests", n, requests)
		}
	}
	for _, what := range []string{"reached", "400", "401", "403", "404", "405", "429", "503", "308", "200"} {
		if seen[what] < 3 {
			t.Errorf("%s came to be %d times: the test has lost its teeth (%v)", what, seen[what], seen)
		}
	}
}

// same explains a request, sends it, and compares.
func (g *gateway) same(q *ExplainRequest, seen map[string]int) {
	g.t.Helper()
	moment := g.clock.Now()
	before := g.standing(moment)
	first, err := g.Explain(q)
	if err != nil {
		g.t.Fatal(err)
	}
	v, err := g.Explain(q)
	if err != nil {
		g.t.Fatal(err)
	}
	if after := g.standing(moment); after != before {
		g.t.Fatalf("explaining %+v has changed\n%s\nto\n%s", q, before, after)
	}
	if first.Outcome.Reaches != v.Outcome.Reaches || first.Upstream != nil && first.Upstream.Pick != v.Upstream.Pick {
		g.t.Fatalf("%+v, then %+v", first, v)
	}
	fields := slices.Clone(q.Headers)
	if q.Token != "" {
		fields = append(fields, "Authorization: Bearer "+q.Token)
	}
	u, _ := takeApart(q.URL)
	got := askRaw(g.t, q.Method, g.address().String(), u, fields)
	for end := time.Now().Add(patience); g.proxy.InFlight() > 0; runtime.Gosched() {
		if time.Now().After(end) {
			g.t.Fatal("the request does not end")
		}
	}
	for _, r := range v.Routes {
		if v.Route != "" && r.Won != (r.Name == v.Route) {
			g.t.Errorf("%+v: route %s, but %+v", q, v.Route, r)
		}
	}
	o := v.Outcome
	if !o.Certain {
		g.t.Errorf("%+v is not certain: %+v", q, v.Steps)
	}
	if o.Reaches {
		seen["reached"]++
		if at := got.header.Get("X-Instance"); at == "" || at != v.Upstream.Pick {
			g.t.Errorf("%+v went to %q with %d, and should to %q\n%s", q, at, got.status, v.Upstream.Pick, got.body)
		}
		sent := v.Sent.Method + " " + v.Sent.Path + "?" + v.Sent.Query + " " + v.Sent.Host
		if got := got.header.Get("X-Got"); v.Sent.Query == u.query && got != sent {
			g.t.Errorf("%q was sent, and should %q", got, sent)
		}
		return
	}
	seen[fmt.Sprint(o.Status)]++
	if got.status != o.Status {
		g.t.Errorf("%+v: %d, foretold was %d\n%s\n%+v", q, got.status, o.Status, got.body, v)
	}
	if q.Method != http.MethodHead && o.Problem != "" && !strings.Contains(got.body, o.Problem) {
		g.t.Errorf("%+v: %s, foretold was %s", q, got.body, o.Problem)
	}
	for _, f := range o.Fields {
		if f.Name == "RateLimit" || f.Name == "Retry-After" { // time passes
			f.Value = digits.ReplaceAllString(f.Value, "N")
		}
		if !slices.ContainsFunc(got.header.Values(f.Name), func(s string) bool {
			return s == f.Value || digits.ReplaceAllString(s, "N") == f.Value
		}) {
			g.t.Errorf("%+v: %s: %q, foretold was %q", q, f.Name, got.header.Values(f.Name), f.Value)
		}
	}
}

var digits = regexp.MustCompile(`[0-9]+`)

// standing is all that an explanation must not change, but for the log. The moment is
// that by which budgets are looked at.
func (g *gateway) standing(moment limits.Time) string {
	var b strings.Builder
	for _, l := range g.current.Load().limits {
		fmt.Fprintf(&b, "%s %d %+v\n", l.Spec.Name, l.Limiter.Keys(), l.Limiter.Top(1000, moment))
	}
	if moment.Mono%8 != 0 { // metrics take their time, and one in eight will do
		return b.String()
	}
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range families {
		name := f.GetName()
		if strings.HasPrefix(name, "lictor_") && !strings.Contains(name, "age") && !strings.Contains(name, "connections") && !strings.Contains(name, "uptime") {
			fmt.Fprintln(&b, f)
		}
	}
	return b.String()
}

// askRaw sends a request whose target is not to be touched.
func askRaw(t *testing.T, method, to string, u asked, fields []string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+to+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = u.host
	r.URL.Opaque = u.path
	r.URL.RawQuery = u.query
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	resp, err := fresh.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}
