package externalauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/lictor/lictor/breaker"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

func decode(t testing.TB, text string) (*Spec, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "test.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Decode(f.Body, hcl.Range{Filename: "test.hcl"})
}

func TestDecode(t *testing.T) {
	s, diags := decode(t, `url = "http://auth.internal/check?secret=1"`)
	if len(diags) > 0 || s.Timeout != time.Second || s.FailOpen || s.Cache != 0 || !slices.Equal(s.HeadersToAuth, defaultToAuth) || !slices.Equal(s.HeadersToClient, defaultToClient) {
		t.Errorf("%+v, %v", s, diags)
	}
	if shown := fmt.Sprint(s.Redacted()); strings.Contains(shown, "secret") || !strings.Contains(shown, "auth.internal/check") {
		t.Errorf("shown as %s", shown)
	}
	if s, diags = decode(t, "url = \"http://a\"\nheaders_to_auth = []\nheaders_to_client = []"); len(diags) > 0 || len(s.HeadersToAuth)+len(s.HeadersToClient) > 0 {
		t.Errorf("%+v, %v", s, diags)
	}
	const u = "url = \"http://a\"\n"
	for text, want := range map[string]string{
		``:                               `"url" is required`,
		`url = "auth.internal"`:          "is asked at a URL",
		`url = "ftp://a"`:                "is asked at a URL",
		`url = "http://a/#b"`:            "is asked at a URL",
		`url = "http://ada:secret@a/"`:   "holds no password",
		u + `timeout = "0s"`:             "from 1ms to 1m0s",
		u + `fail = "shut"`:              `"shut" is not one of`,
		u + `cache = "2h"`:               "from 0s to 1h",
		u + `headers_to_auth = ["Host"]`: "gateway itself writes it",
		u + `headers_to_auth = ["x_forwarded_for"]`:       "gateway itself writes it",
		u + `headers_to_upstream = ["X-Forwarded-For"]`:   "gateway itself writes it",
		u + `headers_to_upstream = ["Transfer-Encoding"]`: "gateway itself writes it",
		u + `headers_to_client = ["Content-Length"]`:      "gateway itself writes it",
		u + `headers_to_auth = ["x-lictor-auth"]`:         "gateway itself writes it",
		u + `headers_to_client = ["a b"]`:                 "can't be the name of a field",
	} {
		_, diags := decode(t, text)
		if !strings.Contains(diags.Error(), want) || strings.Contains(diags.Error(), "secret") {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
}

// service decides.
type service struct {
	*httptest.Server
	asked  atomic.Int64
	mu     sync.Mutex
	last   *http.Request
	answer http.HandlerFunc
}

func newService(t *testing.T, answer http.HandlerFunc) *service {
	s := &service{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		s.mu.Lock()
		s.last = r
		s.mu.Unlock()
		s.answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func newStep(t *testing.T, s *Spec) *Step {
	t.Helper()
	if s.Timeout == 0 {
		s.Timeout = time.Minute
	}
	client := NewClient(nil)
	t.Cleanup(client.CloseIdleConnections)
	return New(s, client, hclog.NewNullLogger())
}

func TestQuestion(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("X-User", "ada")
		w.Header().Add("X-User", "grace")
		w.Header().Add("X-Other", "no")
	})
	d := newDoor(t, newStep(t, &Spec{URL: s.URL + "/check", HeadersToAuth: defaultToAuth, HeadersToUpstream: []string{"X-User"}}))
	d.Query = "a=b"
	status := d.Knock("Authorization: Bearer x", "Cookie: a=1", "Cookie: b=2", "X-User: root", "x_user: root", "X-Secret: 1", "X-Forwarded-Uri: /elsewhere")
	if want := []string{"user=", "?a=b", "Authorization: Bearer x", "X-User: ada", "X-User: grace"}; status != 200 || !slices.Equal(d.seen(), want) {
		t.Errorf("%d, the instance saw %v", status, d.seen())
	}
	r := s.last
	got := map[string]string{"method": r.Method, "uri": r.RequestURI}
	for name, v := range r.Header {
		got[name] = strings.Join(v, "|")
	}
	id := got["X-Request-Id"]
	delete(got, "X-Request-Id")
	want := map[string]string{
		"method": "GET", "uri": "/check", "Authorization": "Bearer x", "Cookie": "a=1|b=2", "User-Agent": "lictor", marker: "1",
		"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "", "X-Forwarded-Uri": "/?a=b", "X-Forwarded-For": "192.0.2.7",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || id == "" || r.ContentLength != 0 {
		t.Errorf("the service saw\n%v\nwant\n%v", got, want)
	}
}

func TestAnswers(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", "Basic realm=\"inner\"")
		w.Header().Set("Location", "https://id.example.com/")
		w.Header().Set("Set-Cookie", "s=1")
		w.Header().Set("X-Inner", "secret")
		var status int
		_, _ = fmt.Sscan(r.Header.Get("Authorization"), &status)
		w.WriteHeader(status)
	})
	for _, open := range []bool{false, true} {
		d := newDoor(t, newStep(t, &Spec{URL: s.URL, HeadersToAuth: defaultToAuth, HeadersToClient: defaultToClient, FailOpen: open}))
		broken := map[bool]int{false: 503, true: 200}[open]
		for _, tt := range []struct {
			said, want int
			problem    string
		}{
			{200, 200, ""},
			{204, 200, ""},
			{401, 401, "auth-required"},
			{403, 403, "auth-refused"},
			{302, 302, ""},
			{303, 303, ""},
			{307, 307, ""},
			// What a client may have caused never lets it pass.
			{400, 503, "auth-unavailable"},
			{404, 503, "auth-unavailable"},
			{431, 503, "auth-unavailable"},
			{429, 503, "auth-unavailable"},
			{301, 503, "auth-unavailable"},
			{500, broken, "auth-unavailable"},
			{503, broken, "auth-unavailable"},
		} {
			status := d.Knock(fmt.Sprintf("Authorization: %d", tt.said))
			if status != tt.want || status >= 400 && !strings.Contains(d.Body, tt.problem) {
				t.Errorf("open %v, the service says %d: %d %s", open, tt.said, status, d.Body)
			}
			handed := status >= 300 && status < 500
			if (d.Answer.Header.Get("Set-Cookie") == "s=1") != handed || (d.Answer.Header.Get("Location") != "") != handed || d.Answer.Header.Get("X-Inner") != "" {
				t.Errorf("the service says %d: the client gets %v", tt.said, d.Answer.Header)
			}
			if (d.seen() != nil) != (status == 200) {
				t.Errorf("the service says %d: the instance saw %v", tt.said, d.seen())
			}
		}
		if got := d.Counted(); got["ok"] != 2 || got["denied"] != 2 || got["redirected"] != 3 || (got["passed_unasked"] == 2) != open {
			t.Errorf("counted %v", got)
		}
	}
}

// TestNotThere has nobody listening: after some failures nobody is kept waiting.
func TestNotThere(t *testing.T) {
	url := "http://" + loopback.Nobody(t)
	closed := newStep(t, &Spec{URL: url})
	d := newDoor(t, closed)
	for range breaker.FailuresToOpen + 3 {
		if status := d.Knock(); status != 503 || !strings.Contains(d.Body, "auth-unavailable") || d.Answer.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", status, d.Body)
		}
	}
	if !closed.breaker.Open() {
		t.Error("the breaker is closed")
	}
	d = newDoor(t, newStep(t, &Spec{URL: url, FailOpen: true}))
	if status := d.Knock(); status != 200 {
		t.Errorf("%d", status)
	}
}

func TestTimeout(t *testing.T) {
	end := make(chan struct{})
	s := newService(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-end:
		case <-r.Context().Done():
		}
	})
	defer close(end)
	d := newDoor(t, newStep(t, &Spec{URL: s.URL, Timeout: 10 * time.Millisecond}))
	if status := d.Knock(); status != 503 {
		t.Errorf("%d", status)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := newService(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	st := newStep(t, &Spec{URL: gone.URL, FailOpen: true})
	client := newDoor(t, st).Another(ctx)
	for range breaker.FailuresToOpen {
		if a := client.Ask("GET", "/"); a.Status != 0 || a.Upstream != nil || !a.Gone {
			t.Errorf("a client that went away: %+v", a)
		}
	}
	if st.breaker.Open() {
		t.Error("clients that went away have opened the breaker")
	}
}

// TestLoop asks the gateway itself, directly and by way of something else.
func TestLoop(t *testing.T) {
	s := newService(t, func(http.ResponseWriter, *http.Request) {})
	client := NewClient(func(a netip.AddrPort) bool { return "http://"+a.String() == s.URL })
	t.Cleanup(client.CloseIdleConnections)
	d := newDoor(t, New(&Spec{URL: s.URL, Timeout: time.Minute, FailOpen: true}, client, hclog.NewNullLogger()))
	if status := d.Knock(); status != 503 || s.asked.Load() != 0 {
		t.Errorf("%d, asked %d times", status, s.asked.Load())
	}
	for _, name := range []string{marker, "x_lictor_auth"} {
		d = newDoor(t, newStep(t, &Spec{URL: s.URL, FailOpen: true}))
		if status := d.Knock(name + ": 1"); status != 503 || s.asked.Load() != 0 {
			t.Errorf("%s: %d, asked %d times", name, status, s.asked.Load())
		}
	}
}

// TestCache asks again for every question that differs in what the service sees.
func TestCache(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-User", r.Header.Get("Authorization"))
		if strings.Contains(r.Header.Get("X-Forwarded-Uri"), "fresh") {
			w.Header().Set("Cache-Control", "private, No-Store")
		}
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	d := newDoor(t, newStep(t, &Spec{URL: s.URL, HeadersToAuth: defaultToAuth, HeadersToUpstream: []string{"X-User"}, Cache: time.Hour}))
	asked := func(what string, want int64, query string, lines ...string) {
		t.Helper()
		before := s.asked.Load()
		d.Query = query
		d.Knock(lines...)
		if got := s.asked.Load() - before; got != want {
			t.Errorf("%s: asked %d times, want %d", what, got, want)
		}
	}
	asked("the first", 1, "", "Authorization: ada")
	asked("the same", 0, "", "Authorization: ada", "X-User: root", "X-Unseen: 1")
	if !slices.Contains(d.seen(), "X-User: ada") || slices.Contains(d.seen(), "X-User: root") {
		t.Errorf("the instance saw %v", d.seen())
	}
	asked("another user", 1, "", "Authorization: bob")
	asked("another query", 1, "a", "Authorization: ada")
	asked("a cookie", 1, "", "Authorization: ada", "Cookie: a")
	asked("two lines", 1, "", "Authorization: ada", "Authorization: ada")
	asked("a refusal", 1, "")
	asked("a refusal again", 1, "")
	asked("not to be stored", 1, "fresh", "Authorization: ada")
	asked("not to be stored again", 1, "fresh", "Authorization: ada")
	if got := d.Counted(); got["cached"] != 1 {
		t.Errorf("counted %v", got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	for i := range MaxRemembered + 100 {
		key := [32]byte{byte(i), byte(i >> 8), byte(i >> 16)}
		c.put(&key, nil, time.Second)
	}
	if len(c.entries) != MaxRemembered {
		t.Errorf("%d questions are remembered", len(c.entries))
	}
	var last [32]byte
	c.put(&last, []line{{"a", "b"}}, time.Second)
	if f, ok := c.get(&last, time.Second-1); !ok || len(f) != 1 {
		t.Error("it is forgotten too early")
	}
	if _, ok := c.get(&last, time.Second); ok {
		t.Error("it is remembered too long")
	}
}

// Two questions are one only if they are alike.
func TestDigest(t *testing.T) {
	seen := map[[32]byte]int{}
	for i, q := range []question{
		{{"a", "bc"}}, {{"ab", "c"}}, {{"a", "b"}, {"c", ""}}, {{"a", ""}, {"bc", ""}}, {{"a", "b"}, {"", "c"}}, nil, {{"", ""}},
	} {
		if other, dup := seen[q.digest()]; dup {
			t.Errorf("%d and %d are taken for one", other, i)
		}
		seen[q.digest()] = i
	}
}

// What can't be sent is the client's fault, and never lets it pass.
func TestUnsendable(t *testing.T) {
	s := newService(t, func(http.ResponseWriter, *http.Request) {})
	d := newDoor(t, newStep(t, &Spec{URL: s.URL, HeadersToAuth: defaultToAuth, FailOpen: true}))
	d.Query = "a\x01"
	if status := d.Knock(); status != 400 || s.asked.Load() != 0 {
		t.Errorf("%d, asked %d times", status, s.asked.Load())
	}
	x := new(proxy.Exchange)
	x.Conn = new(proxy.Conn)
	x.Request.Fields.Reset(nil)
	x.Request.Host = []byte("a\x7f")
	if _, err := newQuestion(x, nil); !errors.Is(err, errUnsendable) {
		t.Error(err)
	}
}
