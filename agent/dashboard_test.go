package agent

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// onlooker reads the dashboard's stream.
type onlooker struct {
	t    *testing.T
	body *bufio.Reader
}

func (g *gateway) watch(fields ...string) *onlooker {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, "http://"+g.admin.addr.String()+"/ui/events", http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	resp, err := fresh.RoundTrip(r)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		g.t.Fatalf("%d", resp.StatusCode)
	}
	return &onlooker{g.t, bufio.NewReader(resp.Body)}
}

// told is what matters of an event here.
type told struct {
	Gateway   *gatewayRow
	Routes    map[string]routeRow
	Services  map[string]serviceRow
	Instances map[string]instanceRow
	Loads     map[string][]uint64
	Limits    map[string]LimitInfo
	Tops      map[string][]KeyInfo
	Unknown   *UnknownReport
	Answers   []struct{ Problem, Path, Route, Client, ID string }
	Points    struct{ Routes map[string][]float64 }
}

// until reads events until one is as wanted.
func (w *onlooker) until(what string, ok func(*told) bool) *told {
	w.t.Helper()
	for {
		line, err := w.body.ReadString('\n')
		if err != nil {
			w.t.Fatalf("%s: %v", what, err)
		}
		text, isData := strings.CutPrefix(line, "data: ")
		if !isData {
			continue
		}
		var v told
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			w.t.Fatalf("%v in %s", err, text)
		}
		if ok(&v) {
			return &v
		}
	}
}

const limited = `
limit "token_bucket" "per_client" {
  rate  = "1/h"
  burst = 2
  key   = [client.ip]
}
`

func TestDashboardTellsWhatHappens(t *testing.T) {
	t.Parallel()
	text := limited + route("orders", "/orders", "orders", `limits = ["per_client"]`) + route("missing", "/missing", "missing") + service("orders", says(t, "one"))
	g := start(t, text).awaitReady()
	w := g.watch()
	first := w.until("everything", func(*told) bool { return true })
	if r := first.Routes["orders"]; r.Path != "/orders/..." || r.Service != "orders" || r.Limits != "per_client" || r.From != "policy" || !strings.Contains(r.At, "lictor.hcl:") {
		t.Errorf("%+v", r)
	}
	if s := first.Services["orders"]; !s.Registered || s.Source != "static" || s.Routes != "orders" || first.Services["missing"].Registered {
		t.Errorf("%+v", first.Services)
	}
	if len(first.Instances) != 1 || len(first.Loads) != 1 || first.Gateway.Generation != 1 || first.Gateway.Version != "test" || first.Gateway.Load == nil {
		t.Errorf("%+v", first)
	}

	for range 3 {
		g.get("/orders/1?token=hush", "Authorization: Bearer hush")
	}
	g.get("/oders/17")
	g.get("/missing")
	w.until("three requests are seen in the history", func(v *told) bool { return len(v.Points.Routes["orders"]) == 5 })
	eventually(t, "all is counted", func() bool { return g.proxy.InFlight() == 0 })
	w = g.watch()
	problems, unknown := map[string]string{}, false
	// A viewer is told at once what others have been told, and of all else as they are.
	w.until("all answers, and what takes long and is looked at now and then", func(v *told) bool {
		for _, a := range v.Answers {
			problems[a.Problem] = a.Path + " " + a.Route
			if len(a.Client) != 16 || len(a.ID) != 32 {
				t.Errorf("%+v", a)
			}
		}
		if u := v.Unknown; u != nil {
			unknown = len(u.Paths) == 1 && u.Paths[0].Path == "/oders/{n}" && u.Paths[0].Nearest.Route == "orders"
		}
		return unknown && len(problems) == 3
	})
	if problems["quota-exceeded"] != "/orders/1 orders" || problems["no-route"] != "/oders/17 " || problems["service-not-registered"] != "/missing missing" {
		t.Errorf("%v", problems)
	}

	if _, err := g.reload(text + "route \"broken\" {\n}\n"); err == nil {
		t.Fatal("a broken configuration was taken")
	}
	v := w.until("a refused reload is shown", func(v *told) bool {
		return v.Gateway != nil && !v.Gateway.Load.OK && v.Gateway.Refused == 1
	})
	if !strings.Contains(v.Gateway.Load.Diagnostics, "broken") || v.Gateway.Generation != 1 {
		t.Errorf("%+v", v.Gateway.Load)
	}
	g.accept(strings.Replace(text, `route "missing"`, `route "other"`, 1))
	w.until("a reload is shown", func(v *told) bool { return v.Gateway != nil && v.Gateway.Load.OK && v.Gateway.Generation == 2 })
}

func TestDashboardAsksForTheToken(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/token"
	write(t, file, "correct horse\n")
	g := start(t, adminAt("127.0.0.1:0", "token_file = "+`"`+file+`"`)+route("a", "/a", "one")+service("one", says(t, "one"))).awaitReady()
	base := "http://" + g.admin.addr.String()
	origin := "Origin: " + base
	for _, path := range []string{"/", "/ui", "/ui/"} {
		if a := g.api("GET", path); a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/ui/") {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Location"))
		}
	}
	if a := g.api("GET", "/ui/events"); a.status != http.StatusUnauthorized {
		t.Errorf("events: %d", a.status)
	}
	if a := g.api("GET", "/ui/../v1/config"); a.status == http.StatusOK {
		t.Errorf("a way around: %d", a.status)
	}
	signIn := func(token string, fields ...string) answer {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/ui/sign-in", strings.NewReader(url.Values{"token": {token}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			r.Header.Set(name, value)
		}
		resp, err := fresh.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer{resp.StatusCode, resp.Header, string(b)}
	}
	for _, field := range []string{"Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: same-site", "X: y"} {
		if a := signIn("correct horse", field); a.status != http.StatusForbidden || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d", field, a.status)
		}
	}
	if a := signIn("wrong", origin); a.status != http.StatusForbidden || a.header.Get("Set-Cookie") != "" {
		t.Errorf("%d", a.status)
	}
	a := signIn("correct horse", origin)
	cookie, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
	if a.status != http.StatusSeeOther || cookie == "" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	cookie = "Cookie: " + cookie
	for _, test := range []struct {
		method, path, more string
		want               int
	}{
		{"GET", "/ui/", "X: y", 200},
		{"POST", "/ui/explain", origin, 415}, // let in, but no JSON
		{"POST", "/ui/explain", "X: y", 403},
		{"POST", "/v1/explain", origin, 401}, // the API wants the token itself
		{"GET", "/v1/routes", "X: y", 401},
		{"PUT", "/v1/reload", origin, 401},
		{"GET", "/debug/pprof/cmdline", "X: y", 401},
		{"GET", "/ui/", "Origin: http://evil.example", 403},
		{"GET", "/ui/", "Sec-Fetch-Site: same-site", 403}, // another port of this machine
		{"GET", "/ui/", "Host: evil.example", 403},
		{"GET", "/v1/routes", "Authorization: Bearer wrong", 401},
	} {
		if a := g.api(test.method, test.path, cookie, test.more); a.status != test.want {
			t.Errorf("%s %s with %s: %d, want %d", test.method, test.path, test.more, a.status, test.want)
		}
	}
	g.watch(cookie).until("something", func(v *told) bool { return v.Gateway.Token })
	if strings.Contains(g.log.String(), "correct horse") {
		t.Error("the token is in the log")
	}
}

func TestUnknownPaths(t *testing.T) {
	t.Parallel()
	text := route("orders", "/orders", "orders") + service("orders", says(t, "one"))
	g := start(t, text).awaitReady()
	for range 3 {
		g.get("/oders/17", "Host: api.example.com")
	}
	g.get("/internal/export")
	g.get("/orders/1")
	eventually(t, "all is counted", func() bool { return g.proxy.InFlight() == 0 })
	v := decode[UnknownReport](t, g.api("GET", "/v1/unknown"))
	if v.Requests != 4 || len(v.Paths) != 2 {
		t.Fatalf("%+v", v)
	}
	p := v.Paths[0]
	if p.Host != "api.example.com" || p.Path != "/oders/{n}" || p.Requests != 3 || p.Callers != 1 || len(p.Top) != 1 || p.Top[0].Requests != 3 || p.First.After(p.Last) ||
		p.Nearest == nil || p.Nearest.Route != "orders" || p.Nearest.Lost != "path" || v.Paths[1].Nearest != nil {
		t.Errorf("%+v", v)
	}
	g.accept(text + route("typing-errors", "/oders", "orders"))
	if p := decode[UnknownReport](t, g.api("GET", "/v1/unknown")).Paths[0]; p.Nearest.Route != "typing-errors" || p.Nearest.Lost != "" || p.Nearest.Why == "" {
		t.Errorf("once there is a route: %+v", p.Nearest)
	}
}
