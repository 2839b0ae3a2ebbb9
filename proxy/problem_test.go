package proxy_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// problems are all answers that the gateway makes itself: name, status and error
// type of RFC 9209.
var problems = []struct {
	problem *proxy.Problem
	typ     string
	status  int
	proxied string
}{
	{proxy.NoRoute, "urn:lictor:problem:no-route", 404, "http_request_error"},
	{proxy.MethodNotAllowed, "urn:lictor:problem:method-not-allowed", 405, "http_request_error"},
	{proxy.Malformed, "urn:lictor:problem:malformed", 400, "http_request_error"},
	{proxy.HeadTooLarge, "urn:lictor:problem:head-too-large", 431, "http_request_error"},
	{proxy.BodyTooLarge, "urn:lictor:problem:body-too-large", 413, "http_request_error"},
	{proxy.TokenMissing, "urn:lictor:problem:token-missing", 401, "http_request_denied"},
	{proxy.TokenInvalid, "urn:lictor:problem:token-invalid", 401, "http_request_denied"},
	{proxy.ClaimsMissing, "urn:lictor:problem:claims-missing", 403, "http_request_denied"},
	{proxy.KeysUnavailable, "urn:lictor:problem:jwks-unavailable", 503, "destination_unavailable"},
	{proxy.NoHealthyInstance, "urn:lictor:problem:no-healthy-instance", 503, "destination_unavailable"},
	{proxy.ServiceUnknown, "urn:lictor:problem:service-not-registered", 503, "destination_unavailable"},
	{proxy.InstanceRefused, "urn:lictor:problem:instance-refused", 502, "connection_refused"},
	{proxy.InstanceBroke, "urn:lictor:problem:instance-broke", 502, "connection_terminated"},
	{proxy.InstanceTimeout, "urn:lictor:problem:instance-timeout", 504, "http_response_timeout"},
	{proxy.Overloaded, "urn:lictor:problem:overloaded", 503, "connection_limit_reached"},
	{proxy.QuotaExceeded, "https://iana.org/assignments/http-problem-types#quota-exceeded", 429, "http_request_denied"},
	{proxy.TransferNotCoded, "urn:lictor:problem:malformed", 501, "http_request_error"},
	{proxy.MethodNotSupported, "urn:lictor:problem:malformed", 501, "http_request_error"},
	{proxy.NotReady, "urn:lictor:problem:not-ready", 503, "destination_unavailable"},
	{proxy.VersionUnknown, "urn:lictor:problem:malformed", 505, "http_request_error"},
	{proxy.RequestTimeout, "urn:lictor:problem:request-timeout", 408, "http_request_error"},
	{proxy.IntentionDenied, "urn:lictor:problem:intention-denied", 403, "http_request_denied"},
	{proxy.AuthRequired, "urn:lictor:problem:auth-required", 401, "http_request_denied"},
	{proxy.AuthRefused, "urn:lictor:problem:auth-refused", 403, "http_request_denied"},
	{proxy.AuthNotAvailable, "urn:lictor:problem:auth-unavailable", 503, "destination_unavailable"},
	{proxy.PermissionDenied, "urn:lictor:problem:permission-denied", 403, "http_request_denied"},
	{proxy.CredentialsMissing, "urn:lictor:problem:credentials-missing", 401, "http_request_denied"},
	{proxy.CredentialsInvalid, "urn:lictor:problem:credentials-invalid", 401, "http_request_denied"},
	{proxy.AddressDenied, "urn:lictor:problem:address-denied", 403, "http_request_denied"},
	{proxy.ReducedCapacity, "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity", 503, "connection_limit_reached"},
	{proxy.MeshUnavailable, "urn:lictor:problem:mesh-unavailable", 503, "destination_unavailable"},
}

// document is a problem document, with nothing in it that is not known.
type document struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"`
	Violated []string `json:"violated-policies"`
	ID       string   `json:"request_id"`
}

func parseDocument(t *testing.T, body string) (d document) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return d
}

func TestProblems(t *testing.T) {
	const detail = "a \"quoted\"\r\n<detail>\x00\xff"
	for _, c := range problems {
		for _, verb := range []string{"GET", "HEAD", "POST"} {
			t.Run(c.typ+" "+verb, func(t *testing.T) {
				answers := stepFunc(func(x *proxy.Exchange) bool { x.Answer(c.problem, detail, nil); return false })
				g := newGateway(t, &memory{}, func(s *setup) { s.route.Steps = []proxy.Step{answers} })
				g.serve(method(verb, "/orders"))
				m := g.answered()
				if g.x.Response.Status != c.status || !strings.HasPrefix(m.start, "HTTP/1.1 ") {
					t.Errorf("status %d, %s", g.x.Response.Status, m.start)
				}
				for name, want := range map[string]string{
					"Content-Type": "application/problem+json", "Proxy-Status": "lictor; error=" + c.proxied, "X-Request-Id": string(g.x.RequestID()),
				} {
					if got := m.get(name); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if g.x.Response.Length <= 0 {
					t.Errorf("length %d", g.x.Response.Length)
				}
				if verb == "HEAD" {
					if m.body != "" {
						t.Errorf("HEAD was sent a body: %s", m.body)
					}
					return
				}
				if int(g.x.Response.Length) != len(m.body) || int(g.x.BytesOut) != len(m.body) {
					t.Errorf("%d bytes, of length %d, logged as %d", len(m.body), g.x.Response.Length, g.x.BytesOut)
				}
				d := parseDocument(t, m.body)
				if d.Type != c.typ || d.Status != c.status || d.Title != c.problem.Title || d.ID != string(g.x.RequestID()) {
					t.Errorf("the document is %+v", d)
				}
				if d.Detail != strings.ToValidUTF8(detail, "\ufffd") {
					t.Errorf("the detail is %q", d.Detail)
				}
				if got, _ := g.logged()["error"].(string); got != c.problem.Name {
					t.Errorf("logged as %q", got)
				}
			})
		}
	}
}

// TestProblemsAreListed holds that the table above knows all there are.
func TestProblemsAreListed(t *testing.T) {
	g := newGateway(t, &memory{}, silent)
	for _, c := range problems {
		g.proxy.Refuse(g.request([]byte(get("/")), g.conn), c.problem, "", nil)
	}
	sum := map[string]uint64{}
	g.proxy.EachAnswerCount(func(name string, n uint64) { sum[name] = n })
	want := map[string]uint64{}
	for _, c := range problems {
		want[c.problem.Name]++
	}
	for name, n := range want {
		if sum[name] != n {
			t.Errorf("%s is counted %d times, want %d", name, sum[name], n)
		}
	}
	if len(sum) != len(want) {
		t.Errorf("counted are %v", sum)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name   string
		steps  []proxy.Step
		edit   func(*setup)
		status int
		want   string
	}{
		{name: "no instance", edit: func(s *setup) { s.instances[0].Ineligible, s.instances[1].Ineligible = "x", "x" }, status: 503, want: "1"},
		{name: "no service", edit: func(s *setup) { s.instances = nil }, status: 503, want: "1"},
		{name: "no answer yet", edit: func(s *setup) { s.unknown = true }, status: 503, want: "1"},
		{name: "limited", edit: func(s *setup) { s.route.Steps = phase(newLimit(t, "slow", "1/h", 1)) }, status: 429, want: "3600"},
		{name: "no route", edit: func(s *setup) { s.route.Rule.PathPrefix = "/else" }, status: 404, want: "-"},
		{name: "fine", edit: func(*setup) {}, status: 200, want: "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, &memory{reply: []byte(reply)}, c.edit)
			g.serve(get("/orders"))
			if c.status == 429 {
				g.serve(get("/orders"))
			}
			if got := g.x.Response.Status; got != c.status {
				t.Errorf("status %d, want %d", got, c.status)
			}
			if got := g.answered().get("Retry-After"); got != c.want {
				t.Errorf("Retry-After: %s, want %s", got, c.want)
			}
		})
	}
}

func TestMethodNotAllowed(t *testing.T) {
	g := newGateway(t, &memory{}, func(s *setup) { s.route.Rule.Methods = []string{"GET", "PATCH"} })
	g.serve(method("POST", "/orders"))
	allow := strings.Split(g.answered().get("Allow"), ", ")
	slices.Sort(allow)
	if g.x.Response.Status != 405 || !slices.Equal(allow, []string{"GET", "HEAD", "PATCH"}) {
		t.Errorf("%d, Allow: %q", g.x.Response.Status, allow)
	}
}

func TestMalformedTargets(t *testing.T) {
	for target, status := range map[string]int{
		"/orders/%00": 400, "/orders/%5C": 400, "/orders/..%2fx": 400, "/orders/%zz": 400, "orders": 400, "*": 404, "/orders/..;/x": 400,
	} {
		g := newGateway(t, &memory{reply: []byte(reply)})
		g.serve(get(target))
		if g.x.Response.Status != status {
			t.Errorf("%s: %d, want %d", target, g.x.Response.Status, status)
		}
		if got := g.logged()["path"]; got != target {
			t.Errorf("%s is logged as %v", target, got)
		}
	}
	g := newGateway(t, &memory{})
	g.serve(method("CONNECT", "example.com:443"))
	if g.x.Response.Status != 501 || g.tries > 0 {
		t.Errorf("CONNECT: %d", g.x.Response.Status)
	}
}

// TestGatewayStepsComeFirst: they see every request, those without a route and
// malformed ones too.
func TestGatewayStepsComeFirst(t *testing.T) {
	l := newLimit(t, "flood", "1/h", 1)
	g := newGateway(t, &memory{reply: []byte(reply)}, func(s *setup) { s.gateway = phase(l) })
	g.serve(get("/nothing"))
	if g.x.Response.Status != 404 || g.answered().get("RateLimit") != `"flood";r=0;t=3600` {
		t.Errorf("%d %q", g.x.Response.Status, g.answered().get("RateLimit"))
	}
	for _, path := range []string{"/nothing", "/orders", "/%00"} {
		if g.serve(get(path)); g.x.Response.Status != 429 || g.tries > 0 {
			t.Errorf("%s: %d", path, g.x.Response.Status)
		}
	}
	if n := l.Counters.Denied.Load(); n != 3 {
		t.Errorf("%d denials", n)
	}
}

// TestAnswerToNobody: the client has gone, which is no reason to hang or panic.
func TestAnswerToNobody(t *testing.T) {
	for _, call := range []string{"head", "body", "end"} {
		g := newGateway(t, &memory{fail: call})
		g.serve(get("/nothing"))
		if g.aborts != 1 {
			t.Errorf("%s failed: %d aborts", call, g.aborts)
		}
		if got, _ := g.logged()["error"].(string); !strings.Contains(got, "scripted failure") {
			t.Errorf("%s failed: logged as %q", call, got)
		}
	}
}

// TestPanicReleases: an engine that outlives a panic of a step must find the
// pipeline in order.
func TestPanicReleases(t *testing.T) {
	g := newGateway(t, &memory{script: func(*memory, int, *proxy.Exchange, *upstreamEndpoint) error { panic("engine") }})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		g.proxy.Serve(g.request([]byte(get("/orders")), g.conn))
	}()
	if n := g.inFlight(); n != 0 || g.proxy.InFlight() != 0 {
		t.Errorf("%d and %d in flight", n, g.proxy.InFlight())
	}
	if len(g.lines()) != 1 {
		t.Errorf("logged: %q", g.lines())
	}
}

func TestRefuse(t *testing.T) {
	g := newGateway(t, &memory{})
	x := g.request([]byte(get("/orders", "X-Request-Id: abc")), g.conn)
	g.proxy.Refuse(x, proxy.HeadTooLarge, "too many fields", errScripted)
	g.settled()
	if d := parseDocument(t, g.answered().body); g.x.Response.Status != 431 || d.Detail != "too many fields" || g.tries > 0 {
		t.Errorf("%+v", d)
	}
	if l := g.logged(); l["error"] != "head-too-large: scripted failure" || l["client"] != "192.0.2.7" {
		t.Errorf("logged as %v", l)
	}
}
