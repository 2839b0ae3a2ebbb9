package consul

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// gateway is a registration at work against a fake, inside a bubble.
type gateway struct {
	*Registration
	stop func()

	mu    sync.Mutex
	ready bool
	text  string
}

func (g *gateway) set(ready bool, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ready, g.text = ready, text
}

func register(t *testing.T, f *fake, spec Spec) *gateway {
	t.Helper()
	r, err := NewRegistration(Config{
		Token: "t", Datacenter: "elsewhere", Logger: hclog.NewNullLogger(),
		API: &api.Config{Address: "consul.test:8500", Scheme: "http", HttpClient: &http.Client{Transport: f}},
	}, spec)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Registration: r}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		err := r.Run(ctx, func() (bool, string) {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.ready, g.text
		})
		if err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	g.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(g.stop)
	synctest.Wait()
	return g
}

var gatewaySpec = Spec{Name: "lictor", Address: "10.0.0.7", Port: 8080, Tags: []string{"edge"}, Version: "1.2.3", Native: true}

func (f *fake) state(check string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.checks[check]
}

// entry returns what is registered under an ID, nil for nothing.
func (f *fake) entry(id string) *api.AgentServiceRegistration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.registered[id]
}

func (f *fake) beats() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.updates
}

func TestRegistrationFollowsReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		g := register(t, f, gatewaySpec)
		const id = "lictor-10.0.0.7-8080"
		if g.ID() != id {
			t.Errorf("ID %q", g.ID())
		}
		s := f.entry(id)
		if s == nil || s.Name != "lictor" || s.Port != 8080 || s.Address != "10.0.0.7" || s.Meta["version"] != "1.2.3" ||
			len(s.Tags) != 1 || s.Connect == nil || !s.Connect.Native || s.Namespace != "" || s.Partition != "" {
			t.Fatalf("registered as %+v", s)
		}
		if s.Check.TTL != "20s" || s.Check.Status != api.HealthCritical {
			t.Errorf("check %+v, want it critical before the gateway is ready", s.Check)
		}
		g.set(true, "")
		pass(readyInterval)
		if got := f.state("service:" + id); got != api.HealthPassing {
			t.Errorf("check is %q once the gateway is ready", got)
		}
		g.set(false, "catalog too old")
		pass(readyInterval)
		if got := f.state("service:" + id); got != api.HealthCritical {
			t.Errorf("check is %q, want critical", got)
		}
		before := f.beats()
		pass(time.Minute)
		if n := f.beats() - before; n < 11 || n > 13 {
			t.Errorf("%d updates in a minute, want one per heartbeat", n)
		}
		for _, a := range f.requests("/v1/agent/") {
			if a.token != "t" || strings.Contains(a.query, "dc=") {
				t.Errorf("%s?%s with token %q", a.path, a.query, a.token)
			}
		}
		g.stop()
		if f.entry(id) != nil {
			t.Error("still registered after the stop")
		}
	})
}

func TestRegistrationIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		g := register(t, f, gatewaySpec)
		g.set(true, "")
		pass(time.Minute)
		forget := func() {
			clear(f.registered)
			clear(f.checks)
		}
		f.change(forget)
		pass(10 * time.Second)
		if f.entry(g.ID()) == nil || f.state("service:"+g.ID()) != api.HealthPassing {
			t.Error("10 s after the agent forgot: not registered, or not passing")
		}
		f.change(func() { f.down = true })
		pass(10 * time.Minute)
		if g.Err() == nil {
			t.Error("no error while the agent is away")
		}
		f.change(func() { f.down = false; forget() })
		pass(10 * time.Second)
		if f.entry(g.ID()) == nil || g.Err() != nil {
			t.Errorf("10 s after the agent came back empty: error %v", g.Err())
		}
	})
}

func TestRegistrationRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.forbid["/v1/agent/service/register"] = true
		g := register(t, f, gatewaySpec)
		pass(10 * time.Minute)
		if err := g.Err(); err == nil || !strings.Contains(err.Error(), `service "lictor" { policy = "write" }`) {
			t.Errorf("error %v, want the missing rule", err)
		}
		if n := len(f.requests("/v1/agent/service/register")); n > 45 {
			t.Errorf("%d attempts in 10 minutes", n)
		}
		f.change(func() { clear(f.forbid) })
		pass(backoffRefused)
		if g.Err() != nil || f.entry(g.ID()) == nil {
			t.Errorf("not registered once the rule is there: %v", g.Err())
		}
	})
}

func TestRegistrationStopsWhileTheAgentHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		g := register(t, f, gatewaySpec)
		f.change(func() { f.stalled = true })
		pass(time.Minute)
		before := time.Now()
		g.stop()
		if d := time.Since(before); d > deregisterTime {
			t.Errorf("stopping took %v, want at most %v", d, deregisterTime)
		}
	})
}

func TestRegistrationNeedsAName(t *testing.T) {
	if _, err := NewRegistration(Config{Logger: hclog.NewNullLogger()}, Spec{}); err == nil {
		t.Error("a gateway without a service name was accepted")
	}
}
