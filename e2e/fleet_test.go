//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// The limits of a fleet: one for rates, one for what may be spent at once.
const (
	fleetRate  = 60 // a second
	fleetBurst = 12
	fleetOnce  = 100
)

var fleetPolicies = fmt.Sprintf(`
limit "token_bucket" "steady" {
  rate  = "%d/s"
  burst = %d
  key   = []
  scope = "fleet_share"
}
limit "token_bucket" "once" {
  rate  = "1/h"
  burst = %d
  key   = [request.header["X-Tenant"], client.ip]
  scope = "fleet_share"
}
`, fleetRate, fleetBurst, fleetOnce) + route("steady") + route("once")

// admission is a request that passed: at some moment between the two.
type admission struct{ sent, answered time.Time }

// fleet is gateways that share limits out, each under load for as long as it runs.
type fleet struct {
	sharing
	consul *harness.Consul

	mu       sync.Mutex
	admitted []admission
	wrong    []error
}

// join starts one more gateway, and returns once it is ready.
func (f *fleet) join(t *testing.T) *harness.Gateway {
	t.Helper()
	g := harness.StartGateway(t, harness.Options{
		Consul:      f.consul.Address(),
		ConsulBlock: "  service {\n    name = \"edge\"\n  }",
		Config: fmt.Sprintf("service \"orders\" {\n  instance {\n    address = %q\n    port    = %d\n  }\n}\n",
			f.instance.Host, f.instance.Port),
		Policies: fleetPolicies,
	})
	f.gateways = append(f.gateways, g)
	return g
}

// leave takes the gateway off the list of those that are there.
func (f *fleet) leave(g *harness.Gateway) {
	f.gateways = slices.DeleteFunc(f.gateways, func(o *harness.Gateway) bool { return o == g })
}

// load asks a gateway for more than the fleet may grant, until it is told to stop
// or the gateway is gone.
func (f *fleet) load(t *testing.T, g *harness.Gateway) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			client := http.Client{Timeout: harness.Patience, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-ctx.Done():
					return
				case <-g.Process().Done():
					return
				case <-tick.C:
				}
				sent := time.Now()
				response, err := client.Get(g.URL("/steady"))
				if err != nil {
					continue // it ends, and refuses connections
				}
				response.Body.Close()
				f.note(admission{sent, time.Now()}, response.StatusCode)
			}
		})
	}
	stop = func() {
		cancel()
		wg.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func (f *fleet) note(a admission, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch status {
	case http.StatusOK:
		f.admitted = append(f.admitted, a)
	case http.StatusTooManyRequests:
	default:
		f.wrong = append(f.wrong, fmt.Errorf("status %d", status))
	}
}

// settled waits until every gateway grants one of so many shares, and returns
// when it saw that.
func (f *fleet) settled(t *testing.T, within time.Duration) time.Time {
	t.Helper()
	want := fmt.Sprintf("1 of %d", len(f.gateways))
	for i, g := range f.gateways {
		harness.Within(t, within, fmt.Sprintf("gateway %d grants %s", i, want), func() error {
			if got, err := shareOf(g); err != nil || got != want {
				return fmt.Errorf("%q: %w", got, err)
			}
			return nil
		})
	}
	return time.Now()
}

func shareOf(g *harness.Gateway) (string, error) {
	status, body, err := g.AdminGet("/v1/limits")
	var answer struct {
		Fleet  struct{ Gateways int }
		Limits []struct{ Name, Scope, Share string }
	}
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil || status != http.StatusOK || len(answer.Limits) != 2 {
		return "", fmt.Errorf("GET /v1/limits: %d %s: %w", status, body, err)
	}
	l := answer.Limits[0]
	if l.Scope != "fleet_share" || l.Share != fmt.Sprintf("1 of %d", answer.Fleet.Gateways) {
		return l.Share, fmt.Errorf("%+v", answer)
	}
	return l.Share, nil
}

// once spends the budget of a tenant that nobody has seen yet.
func (f *fleet) once(t *testing.T, tenant string) int {
	t.Helper()
	const each = 2 * fleetOnce
	got := f.flood(t, "/once", each, "X-Tenant: "+tenant)
	if asked := len(f.gateways) * each; got[http.StatusOK]+got[http.StatusTooManyRequests] != asked {
		t.Errorf("%s: %v of %d", tenant, got, asked)
	}
	return got[http.StatusOK]
}

// over is the most that was admitted beyond the rate in any span of time between
// two moments: what a bucket's burst bounds. Only what was surely admitted within
// a span counts in it.
func over(all []admission, from, to time.Time) (most float64) {
	var in []admission
	for _, a := range all {
		if !a.sent.Before(from) && !a.answered.After(to) {
			in = append(in, a)
		}
	}
	slices.SortFunc(in, func(a, b admission) int { return a.answered.Compare(b.answered) })
	starts := []time.Time{from}
	for i := 0; i < len(in); i += 5 {
		starts = append(starts, in[i].sent)
	}
	for _, start := range starts {
		n := 0.0
		for _, a := range in {
			if !a.sent.Before(start) {
				n++
				most = max(most, n-fleetRate*a.answered.Sub(start).Seconds())
			}
		}
	}
	return most
}

// Gateways come and go: they join, are killed, drained and started again, all
// under load. Together they grant what the limit says, and for each change no
// more than docs/limits.md says.
func TestFleetShare(t *testing.T) {
	t.Parallel()
	f := &fleet{consul: harness.StartConsul(t)}
	f.instance = harness.StartInstance(t, "orders", "orders-1")
	type phase struct {
		name     string
		from, to time.Time
		n        int
	}
	var phases []phase
	began := time.Now()
	allowed := float64(fleetBurst + 1) // over the whole run
	// steady is a while in which nothing changes: what can be had at once is had
	// exactly once, and what comes back comes back no faster than it may.
	steady := func(name string, from time.Time) {
		t.Helper()
		if n := f.once(t, name); n != fleetOnce {
			t.Errorf("%s: %d passed at once, want %d", name, n, fleetOnce)
		}
		harness.Within(t, harness.Patience, name+": a while of load", func() error {
			if time.Since(from) < 4*time.Second {
				return errors.New("not over yet")
			}
			return nil
		})
		phases = append(phases, phase{name, from, time.Now(), len(f.gateways)})
	}
	// joins starts a gateway under load. It brings a share of the burst, and its
	// share of the rate counts twice until all others have heard.
	joins := func() *harness.Gateway {
		t.Helper()
		start := time.Now()
		g := f.join(t)
		f.load(t, g)
		settled := f.settled(t, harness.Patience)
		n := float64(len(f.gateways))
		allowed += fleetBurst/n + 1 + settled.Sub(start).Seconds()*fleetRate/n
		return g
	}
	// left is about a gateway that is gone: the others' bursts grow by its part.
	left := func(g *harness.Gateway) {
		allowed += fleetBurst/float64(len(f.gateways)) + 1
		f.leave(g)
	}

	first := f.join(t)
	f.load(t, first)
	steady("alone", f.settled(t, harness.Patience))
	second, third := joins(), joins()
	steady("three", time.Now())
	if r := first.Run("limits"); !strings.Contains(r.Stdout, "share 1 of 3") {
		t.Errorf("lictor limits shows %s%s", r.Stdout, r.Stderr)
	}
	if n := first.Metric(t, "lictor_fleet_gateways"); n != 3 {
		t.Errorf("the metric says %g", n)
	}

	left(second)
	second.Process().Kill()
	if n := f.once(t, "killed"); n > fleetOnce || n < fleetOnce/2 {
		t.Errorf("just after a gateway was killed: %d passed", n)
	}
	steady("two, after one was killed", f.settled(t, 3*harness.Patience))

	left(third)
	if code := third.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := f.once(t, "drained"); n > fleetOnce || n < fleetOnce/3 {
		t.Errorf("just after a gateway was drained: %d passed", n)
	}
	steady("alone again", f.settled(t, harness.Patience))
	joins()
	steady("two again", time.Now())

	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(f.wrong...); err != nil {
		t.Error(err)
	}
	for _, p := range phases {
		got := over(f.admitted, p.from, p.to)
		t.Logf("%s: at most %.1f beyond the rate at once, for %.1f s", p.name, got, p.to.Sub(p.from).Seconds())
		// One unit for each gateway is the one that comes back at the very moment.
		if got > float64(fleetBurst+p.n) {
			t.Errorf("%s: %.1f more than the rate were admitted, the burst is %d", p.name, got, fleetBurst)
		}
	}
	got := over(f.admitted, began, time.Now())
	t.Logf("in all: %d admitted in %.1f s, at most %.1f beyond the rate at once, of %.1f",
		len(f.admitted), time.Since(began).Seconds(), got, allowed)
	if got > allowed || len(f.admitted) < fleetBurst+fleetRate {
		t.Errorf("%d admitted, %.1f beyond the rate at once, want at most %.1f", len(f.admitted), got, allowed)
	}
	for _, line := range []string{"gateways=3 before=2", "gateways=2 before=3", "gateways=1 before=2"} {
		if !first.Log.Contains("size of the fleet changed: service=edge " + line) {
			t.Errorf("the log does not say %s", line)
		}
	}
}
