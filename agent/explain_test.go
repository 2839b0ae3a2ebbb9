package agent

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// explain posts a question to the admin API.
func (g *gateway) explain(body string, fields ...string) answer {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://"+g.admin.addr.String()+"/v1/explain", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	resp, err := fresh.RoundTrip(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// explained wants an answer to a question.
func (g *gateway) explained(body string) ExplainAnswer {
	g.t.Helper()
	a := g.explain(body)
	if a.status != http.StatusOK {
		g.t.Fatalf("%s: %d %s", body, a.status, a.body)
	}
	return decode[ExplainAnswer](g.t, a)
}

func secretsFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secretOfTokens), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// shop is a configuration of which the tests below ask.
func shop(t *testing.T) string {
	return fmt.Sprintf(`
jwt "main" {
  issuer     = "https://id.example.com"
  audiences  = ["shop"]
  algorithms = ["HS256"]
  json_web_key_set {
    hmac {
      secret_file = %q
    }
  }
}
limit "token_bucket" "per_network" {
  rate        = "1/h"
  burst       = 2
  ipv4_prefix = 24
}
limit "token_bucket" "per_user" {
  rate  = "10/h"
  burst = 10
  key   = [jwt.sub, route.name]
}
route "orders" {
  hosts        = ["api.example.com"]
  path_prefix  = "/orders"
  methods      = ["GET"]
  service      = "orders"
  strip_prefix = "/orders"
  limits       = ["per_network", "per_user"]
  jwt {
    provider = "main"
    require  = { scope = "orders:read" }
    claims_to_headers = { "X-User" = "sub" }
  }
}
route "site" {
  path    = "/"
  service = "orders"
}
`, secretsFile(t)) + service("orders", says(t, "one"))
}

// The shape of the answer is a contract: programs read it.
func TestExplainAnswer(t *testing.T) {
	t.Parallel()
	g := start(t, shop(t)).awaitReady()
	token := tokenOf(`{"iss":"https://id.example.com","aud":["shop","bank"],"sub":"ada@example.com","scope":"orders:read","exp":4102444800,"address":{"city":"Rome"}}`)
	body := fmt.Sprintf(`{"url": "http://api.example.com/orders//7?token=hush&page=2", "token": %q, "from": "203.0.113.9",
		"headers": ["X-User: root", "Accept: */*", "Cookie: session=hush"]}`, token)
	a := g.explain(body)
	got := a.body
	for _, v := range volatile {
		got = v.pattern.ReplaceAllString(got, v.instead)
	}
	golden(t, "explain.json", got)
	for _, no := range []string{"hush", "ada", "Rome", token[:20]} {
		if strings.Contains(a.body, no) {
			t.Errorf("%q is shown", no)
		}
	}
	if revealed := g.explain(strings.Replace(body, "{", `{"reveal": true, `, 1)).body; !strings.Contains(revealed, "ada@example.com") || strings.Contains(revealed, "hush") {
		t.Errorf("what is to be revealed is not, or secrets are:\n%s", revealed)
	}
}

// TestExplainSituations has a case for every way in which a request ends.
func TestExplainSituations(t *testing.T) {
	t.Parallel()
	g := start(t, shop(t)).awaitReady()
	claims := func(changes string) string {
		return tokenOf(`{"iss":"https://id.example.com","aud":"shop","sub":"ada","exp":4102444800` + changes + `}`)
	}
	for range 2 { // of the network 127.0.0.0/24 nothing is left
		g.get("/orders/1", "Host: api.example.com")
	}
	eventually(t, "all has ended", func() bool { return g.proxy.InFlight() == 0 })
	for _, c := range []struct {
		name, question string
		status         int
		problem        string
		why            string // of the step that decides, or of the route that comes closest
	}{
		{"reaches", fmt.Sprintf(`{"url":"http://api.example.com/orders/7","from":"203.0.113.9","token":%q}`, claims(`,"scope":"orders:read"`)), 0, "", ""},
		{"another path", `{"url":"http://api.example.com/ordres"}`, 404, "no-route", "is for"},
		{"another method", `{"url":"http://api.example.com/orders","method":"POST"}`, 405, "method-not-allowed", "takes GET, HEAD"},
		{"a hidden path", `{"url":"http://api.example.com/orders/..%2Fadmin"}`, 400, "malformed", ""},
		{"nothing left", `{"url":"http://api.example.com/orders"}`, 429, "quota-exceeded", "not enough is left for this key"},
		{"no token", `{"url":"http://api.example.com/orders","from":"203.0.113.9"}`, 401, "token-missing", "there is no token in header:authorization"},
		{"no good token", `{"url":"http://api.example.com/orders","from":"203.0.113.9","token":"a.b.c"}`, 401, "token-invalid", "form"},
		{
			"another issuer", fmt.Sprintf(`{"url":"http://api.example.com/orders","from":"203.0.113.9","token":%q}`, tokenOf(`{"iss":"https://evil.example","exp":4102444800}`)),
			401, "token-invalid", `its issuer is https://evil.example, and must be "https://id.example.com"`,
		},
		{
			"expired", fmt.Sprintf(`{"url":"http://api.example.com/orders","from":"203.0.113.9","token":%q}`, tokenOf(`{"iss":"https://id.example.com","aud":"shop","exp":1700000000}`)),
			401, "token-invalid", "it expired at 1700000000 (2023-11-14T22:13:20Z)",
		},
		{
			"lacking", fmt.Sprintf(`{"url":"http://api.example.com/orders","from":"203.0.113.9","token":%q}`, claims("")),
			403, "claims-missing", `the claim "scope" is required to be or hold [orders:read], and there is none`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := g.explained(c.question)
			o := v.Outcome
			if o.Reaches != (c.status == 0) || o.Status != c.status || !strings.HasSuffix(o.Problem, c.problem) || !o.Certain {
				t.Errorf("%+v", o)
			}
			if whys := whysOf(&v); !strings.Contains(whys, c.why) {
				t.Errorf("%q is not among\n%s", c.why, whys)
			}
		})
	}
}

// whysOf collects what an answer says of what decided.
func whysOf(v *ExplainAnswer) string {
	var b strings.Builder
	for _, r := range v.Routes {
		if r.Closest {
			fmt.Fprintln(&b, r.Why)
		}
	}
	var steps func(list []proxy.Explanation)
	steps = func(list []proxy.Explanation) {
		for _, s := range list {
			if s.Verdict == proxy.Refuses {
				fmt.Fprintln(&b, s.Why)
			}
			steps(s.Parts)
		}
	}
	steps(v.GatewaySteps)
	steps(v.Steps)
	return b.String()
}

// An instance is told of with what ails it, and who would be asked in its place.
func TestExplainInstances(t *testing.T) {
	t.Parallel()
	down := nobody(t).String()
	up := says(t, "up")
	g := start(t, route("web", "/", "web")+fmt.Sprintf(
		"service \"web\" {\n  instance {\n    address = \"127.0.0.1\"\n    port = %s\n  }\n  instance {\n    address = \"127.0.0.1\"\n    port = %d\n  }\n  check {\n    tcp = true\n  }\n}\n",
		down[strings.LastIndexByte(down, ':')+1:], up.Port())).awaitReady()
	eventually(t, "one of two is asked", func() bool {
		v := g.explained(`{"url": "/"}`)
		return v.Outcome.Reaches && v.Upstream.Pick == up.String()
	})
	v := g.explained(`{"url": "/"}`)
	for _, i := range v.Upstream.Services[0].Instances {
		if i.ID == down && (i.Eligible || i.Output == "" || i.Why == "") || i.ID == up.String() && (!i.Eligible || i.Why != "") {
			t.Errorf("%+v", i)
		}
	}
}

// TestExplainRefusesQuestions: what is no question is refused, and none that a
// browser could be made to ask is answered.
func TestExplainRefusesQuestions(t *testing.T) {
	t.Parallel()
	g := start(t, shop(t)).awaitReady()
	for _, c := range []struct {
		body   string
		fields []string
		status int
		title  string
	}{
		{`{"url": "ftp://a/"}`, nil, 400, `\"ftp://a/\" is neither a URL of http or https nor a path`},
		{`{"url": "http://u:p@a/"}`, nil, 400, "no user"},
		{`{"url": "http://a/ b"}`, nil, 400, "escape it"},
		{"{\"url\": \"http://a/\\r\\nX: 1\"}", nil, 400, "escape it"},
		{`{"url": "/", "headers": ["no colon"]}`, nil, 400, "Name: value"},
		{`{"url": "/", "headers": ["A B: 1"]}`, nil, 400, "Name: value"},
		{"{\"url\": \"/\", \"headers\": [\"A: 1\\r\\nB: 2\"]}", nil, 400, "control character"},
		{"{\"url\": \"/\", \"token\": \"a\\nb\"}", nil, 400, "control character"},
		{`{"url": "/", "headers": ["Content-Length: -1"]}`, nil, 400, "no length"},
		{`{"url": "/", "method": "GE T"}`, nil, 400, "no method"},
		{`{"url": "/", "from": "localhost"}`, nil, 400, "no address"},
		{`{"url": "/", "listener": "none"}`, nil, 400, "no listener"},
		{`{"url": "/", "sneaky": 1}`, nil, 400, "unknown field"},
		{`{"url": "/"} {}`, nil, 400, "follows"},
		{`nonsense`, nil, 400, "JSON"},
		{`{"url": "/` + strings.Repeat("x", mostExplained) + `"}`, nil, 413, "too large"},
		{`{"url": "/"}`, []string{"Content-Type: text/plain"}, 415, "application/json"},
		{`{"url": "/"}`, []string{"Host: evil.example.com"}, 403, "admin.hosts"},
		{`{"url": "/"}`, []string{"Origin: http://evil.example.com"}, 403, "another site"},
	} {
		a := g.explain(c.body, c.fields...)
		if a.status != c.status || !strings.Contains(a.body, c.title) {
			t.Errorf("%.80s %v: %d %s, want %d and %q", c.body, c.fields, a.status, a.body, c.status, c.title)
		}
	}
	if a := g.api("GET", "/v1/explain"); a.status != 405 {
		t.Errorf("GET: %d", a.status)
	}
}

// Who has no token of the admin API gets no explanation.
func TestExplainNeedsTheToken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("open sesame"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := start(t, fmt.Sprintf("admin {\n  address = \"127.0.0.1:0\"\n  token_file = %q\n}\n", file)+route("web", "/", "web")).awaitReady()
	if a := g.explain(`{"url": "/"}`); a.status != 401 {
		t.Errorf("without: %d", a.status)
	}
	if a := g.explain(`{"url": "/"}`, "Authorization: Bearer open sesame"); a.status != 200 {
		t.Errorf("with: %d %s", a.status, a.body)
	}
}

// TestExplainWhileReloading asks while policies come and go: every answer is of one
// generation throughout.
func TestExplainWhileReloading(t *testing.T) {
	t.Parallel()
	web := service("web", says(t, "web"))
	text := func(i int) string {
		return web + fmt.Sprintf("limit \"token_bucket\" \"l%d\" {\n  rate = \"1/h\"\n}\n", i%2) + route(fmt.Sprintf("r%d", i%2), "/", "web", fmt.Sprintf("limits = [\"l%d\"]", i%2))
	}
	g := start(t, text(1)).awaitReady()
	turns := make(chan struct{}) // each reload goes beside one explanation
	go func() {
		defer close(turns)
		for i := 2; i < 200; i++ {
			turns <- struct{}{}
			if _, err := g.reload(text(i)); err != nil {
				t.Error(err)
			}
		}
	}()
	for range turns {
		v, err := g.Explain(&ExplainRequest{URL: "/"})
		if err != nil {
			t.Fatal(err)
		}
		n := v.Generation % 2
		if v.Route != fmt.Sprintf("r%d", n) || len(v.Steps) != 1 || v.Steps[0].Parts[0].Step != fmt.Sprintf("l%d", n) || len(v.Routes) != 1 || v.Routes[0].Name != v.Route {
			t.Fatalf("generation %d: %+v", v.Generation, v)
		}
	}
}
