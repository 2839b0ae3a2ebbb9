package static

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
)

func TestPingHTTP(t *testing.T) {
	var host, agent, query string
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		host, agent, query = r.Host, r.UserAgent(), r.URL.RawQuery
		_, _ = w.Write([]byte(strings.Repeat("x", 10*maxBody)))
	})
	mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	target := srv.Listener.Addr().String()
	p := newPinger(catalog.Reach{Local: true})
	for _, c := range []struct {
		check Check
		want  string // part of the description, empty for a success
	}{
		{Check{HTTP: "/ok?deep=1", Host: "legacy.example"}, ""},
		{Check{HTTP: "/empty"}, ""},
		{Check{HTTP: "/away"}, "unexpected status 302"},
		{Check{HTTP: "/away", Status: []int{302}}, ""},
		{Check{HTTP: "/ok", Status: []int{204}}, "unexpected status 200"},
		{Check{HTTP: "/bad"}, "unexpected status 503"},
		{Check{HTTP: "/bad", Status: []int{200, 503}}, ""},
		{Check{HTTP: "/none"}, "unexpected status 404"},
		{Check{TCP: true}, ""},
	} {
		err := p.ping(t.Context(), target, c.check)
		if c.want == "" && err != nil || c.want != "" && (err == nil || describe(err, c.check) != c.want) {
			t.Errorf("%+v: %v, want %q", c.check, err, c.want)
		}
	}
	if host != target || agent != "lictor-check" {
		t.Errorf("asked for host %q as %q", host, agent)
	}
	if err := p.ping(t.Context(), target, Check{HTTP: "/ok?deep=1", Host: "legacy.example"}); err != nil || host != "legacy.example" || query != "deep=1" {
		t.Errorf("host %q, query %q, %v", host, query, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	slow := Check{HTTP: "/slow", Timeout: 10 * time.Millisecond}
	if err := p.ping(ctx, target, slow); err == nil || describe(err, slow) != "no answer within 10ms" {
		t.Errorf("a slow instance: %v", err)
	}
}

func TestPingDescribesAlike(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	gone := c.LocalAddr().String() // taken, so that nobody else can listen there
	p := newPinger(catalog.Reach{Local: true})
	for _, c := range []Check{{TCP: true}, {HTTP: "/"}} {
		err := p.ping(t.Context(), gone, c)
		if err == nil || describe(err, c) != "dial: connection refused" {
			t.Errorf("%+v: %v, described as %q", c, err, describe(err, c))
		}
	}
	// The text of an attempt that was reset names its ephemeral port.
	reset := &net.OpError{Op: "read", Err: errors.New("connection reset by peer"), Source: &net.TCPAddr{Port: 51234}}
	if got := describe(reset, Check{}); got != "read: connection reset by peer" {
		t.Errorf("described as %q", got)
	}
}

func TestPingJudgesTheAddressThatANameResolvesTo(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	own := srv.Listener.Addr().String()
	_, port, err := net.SplitHostPort(own)
	if err != nil {
		t.Fatal(err)
	}
	p := newPinger(catalog.Reach{Local: true, Own: func(ap netip.AddrPort) bool { return ap.String() == own || ap.Addr().Is6() }})
	err = p.ping(t.Context(), net.JoinHostPort("localhost", port), Check{TCP: true})
	if err == nil || !strings.Contains(err.Error(), "gateway's own address") {
		t.Errorf("a name that resolves to the gateway itself: %v", err)
	}
}

func TestTally(t *testing.T) {
	for script, want := range map[string]standing{
		"":             unknown,
		"+":            healthy,
		"-":            unhealthy,
		"+--":          healthy,
		"+---":         unhealthy,
		"+--+--":       healthy,
		"-+":           unhealthy,
		"-++":          healthy,
		"-+-+":         unhealthy,
		"+---+-++":     healthy,
		"+---++--+---": unhealthy,
	} {
		var tl tally
		for _, r := range script {
			tl = tl.add(r == '+', 2, 3)
		}
		if tl.is != want {
			t.Errorf("%q is %d, want %d", script, tl.is, want)
		}
	}
}

func TestValidate(t *testing.T) {
	good := []Instance{{Address: "10.0.0.1", Port: 80}}
	for name, c := range map[string]struct {
		spec Spec
		want []string
	}{
		"good":            {Spec{Name: "s", Instances: good, Check: &Check{HTTP: "/health?x=1"}}, nil},
		"no instances":    {Spec{Name: "s"}, nil},
		"no name":         {Spec{Instances: good}, []string{"no name"}},
		"no address":      {Spec{Name: "s", Instances: []Instance{{Port: 80}}}, []string{"no address"}},
		"no port":         {Spec{Name: "s", Instances: []Instance{{Address: "a"}}}, []string{"port 0"}},
		"weight":          {Spec{Name: "s", Instances: []Instance{{Address: "a", Port: 1, Weight: -1}}}, []string{"weight -1"}},
		"twice":           {Spec{Name: "s", Instances: append(good, good...)}, []string{"listed twice"}},
		"no kind":         {Spec{Name: "s", Check: &Check{}}, []string{"neither"}},
		"both kinds":      {Spec{Name: "s", Check: &Check{HTTP: "/", TCP: true}}, []string{"exclude"}},
		"relative path":   {Spec{Name: "s", Check: &Check{HTTP: "health"}}, []string{"begin with /"}},
		"path with space": {Spec{Name: "s", Check: &Check{HTTP: "/a b\r\n"}}, []string{"character"}},
		"status":          {Spec{Name: "s", Check: &Check{TCP: true, Status: []int{99}}}, []string{"status 99"}},
		"interval":        {Spec{Name: "s", Check: &Check{TCP: true, Interval: time.Millisecond}}, []string{"interval"}},
		"all at once": {
			Spec{Instances: []Instance{{Port: 80}}, Check: &Check{TCP: true, Timeout: -1, HealthyAfter: -1}},
			[]string{"no name", "no address", "timeout", "healthy_after"},
		},
	} {
		err := c.spec.Validate()
		if (err == nil) != (len(c.want) == 0) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %q", name, err, part)
			}
		}
	}
}
