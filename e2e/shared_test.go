//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// sharing is gateways that share budgets, in front of one instance.
type sharing struct {
	instance *harness.Instance
	gateways []*harness.Gateway
}

// startSharing runs n gateways with these policies. The store's block has the
// address and whatever else is given.
func startSharing(t *testing.T, n int, address, more, policies string) sharing {
	t.Helper()
	s := sharing{instance: harness.StartInstance(t, "orders", "orders-1")}
	for range n {
		s.gateways = append(s.gateways, harness.StartGateway(t, harness.Options{
			Config: fmt.Sprintf("store \"redis\" {\n  address = %q\n%s\n}\nservice \"orders\" {\n  instance {\n    address = %q\n    port    = %d\n  }\n}\n",
				address, more, s.instance.Host, s.instance.Port),
			Policies: policies,
		}))
	}
	return s
}

// route sends a path of the limit's name to the instance.
func route(limit string) string {
	return fmt.Sprintf("route %q {\n  path    = \"/%s\"\n  service = \"orders\"\n  limits  = [%q]\n}\n", limit, limit, limit)
}

// flood sends so many requests through every gateway at once and counts the
// answers by status.
func (s sharing) flood(t *testing.T, path string, each int, fields ...string) map[int]int {
	t.Helper()
	const workers = 8
	var mu sync.Mutex
	got := map[int]int{}
	var wg sync.WaitGroup
	for _, g := range s.gateways {
		for range workers {
			wg.Go(func() {
				for range each / workers {
					a, err := g.Try(http.MethodGet, path, nil, fields...)
					mu.Lock()
					got[a.Status]++
					mu.Unlock()
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	return got
}

// Two gateways grant together exactly what one would, by every algorithm.
func TestSharedLimitsAreExact(t *testing.T) {
	t.Parallel()
	s := startSharing(t, 2, harness.StartRedis(t).Address, "  timeout = \"5s\"", `
limit "token_bucket" "tokens" {
  rate  = "1/h"
  burst = 100
  key   = []
  scope = "shared"
}
limit "leaky_bucket" "leak" {
  rate     = "1/h"
  capacity = 90
  key      = []
  scope    = "shared"
}
limit "fixed_window" "fixed" {
  limit  = 110
  window = "1000h"
  key    = []
  scope  = "shared"
}
limit "sliding_window" "counter" {
  limit  = 120
  window = "1000h"
  key    = []
  scope  = "shared"
}
limit "sliding_window" "log" {
  limit     = 80
  window    = "1h"
  precision = "log"
  key       = []
  scope     = "shared"
}
limit "sliding_window" "buckets" {
  limit     = 70
  window    = "1h"
  precision = "buckets"
  key       = []
  scope     = "shared"
}
limit "token_bucket" "leased" {
  rate  = "1/h"
  burst = 100
  lease = 10
  key   = []
  scope = "shared"
}
`+route("tokens")+route("leak")+route("fixed")+route("counter")+route("log")+route("buckets")+route("leased"))
	for name, bound := range map[string]int{"tokens": 100, "leak": 90, "fixed": 110, "counter": 120, "log": 80, "buckets": 70, "leased": 100} {
		got := s.flood(t, "/"+name, 160)
		if got[http.StatusOK] != bound || got[http.StatusOK]+got[http.StatusTooManyRequests] != 320 {
			t.Errorf("%s: %v, want %d to pass", name, got, bound)
		}
	}
	known, leased := 0, 0
	for i, g := range s.gateways {
		f := storeOf(t, g)
		if f.Calls == 0 || f.Failed > 0 || !f.Answers {
			t.Errorf("gateway %d: %+v", i, f)
		}
		known, leased = known+f.Known, leased+f.Leased
	}
	if known == 0 || leased == 0 {
		t.Errorf("%d denials and %d leased units without a call", known, leased)
	}
}

// What comes back comes back once, for two gateways as for one: in any span of
// time the burst and the rate, and for what is leased a lease more from each.
func TestSharedRate(t *testing.T) {
	t.Parallel()
	s := startSharing(t, 2, harness.StartRedis(t).Address, "  timeout = \"5s\"", `
limit "token_bucket" "steady" {
  rate  = "100/s"
  burst = 20
  key   = []
  scope = "shared"
}
limit "token_bucket" "leased" {
  rate  = "100/s"
  burst = 20
  lease = 5
  key   = []
  scope = "shared"
}
`+route("steady")+route("leased"))
	for name, lease := range map[string]int{"steady": 1, "leased": 5} {
		began := time.Now()
		got := s.flood(t, "/"+name, 800)
		most := 20 + int(time.Since(began)*100/time.Second) + 1 + 2*(lease-1)
		if passed := got[http.StatusOK]; passed < 20 || passed > most || passed+got[http.StatusTooManyRequests] != 1600 {
			t.Errorf("%s: %v, want from 20 to %d to pass", name, got, most)
		}
	}
}

// storeFigures are those of GET /v1/limits.
type storeFigures struct {
	Answers                      bool
	Calls, Failed, Known, Leased int
}

// limitFigures are those of one limit of GET /v1/limits.
type limitFigures struct {
	Name, Scope string
	StoreError  int `json:"store_error"`
}

func figures(t *testing.T, g *harness.Gateway) (f storeFigures, byName map[string]limitFigures) {
	t.Helper()
	status, body, err := g.AdminGet("/v1/limits")
	var answer struct {
		Store  storeFigures
		Limits []limitFigures
	}
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil || status != http.StatusOK {
		t.Fatalf("GET /v1/limits: %d %v", status, err)
	}
	byName = map[string]limitFigures{}
	for _, l := range answer.Limits {
		byName[l.Name] = l
	}
	return answer.Store, byName
}

func storeOf(t *testing.T, g *harness.Gateway) storeFigures {
	t.Helper()
	f, _ := figures(t, g)
	return f
}

// A budget is spent for good: neither a reload nor a gateway that starts anew
// brings it back.
func TestSharedLimitsSurviveGateways(t *testing.T) {
	t.Parallel()
	const five = `
limit "token_bucket" "hour" {
  rate  = "1/h"
  burst = 5
  scope = "shared"
}
`
	seven := strings.Replace(five, "burst = 5", "burst = 7", 1)
	address := harness.StartRedis(t).Address
	const patient = "  timeout = \"5s\""
	g := startSharing(t, 1, address, patient, five+route("hour")).gateways[0]
	if passed, _ := spend(t, g, "/hour"); passed != 5 {
		t.Errorf("%d requests passed, want 5", passed)
	}
	g.Reload()
	if a := g.Get("/hour"); a.Status != http.StatusTooManyRequests {
		t.Errorf("after a reload: %d", a.Status)
	}
	g.WritePolicies(seven + route("hour"))
	g.Reload()
	if passed, _ := spend(t, g, "/hour"); passed != 2 {
		t.Errorf("%d requests passed after 5 became 7", passed)
	}
	g = startSharing(t, 1, address, patient, seven+route("hour")).gateways[0]
	if a := g.Get("/hour"); a.Status != http.StatusTooManyRequests {
		t.Errorf("a new gateway: %d", a.Status)
	}
}

// A shared limit beside a local one: what the local one refuses, the shared one
// gets back.
func TestSharedAndLocalLimitsAreAllOrNothing(t *testing.T) {
	t.Parallel()
	g := startSharing(t, 1, harness.StartRedis(t).Address, "  timeout = \"5s\"", `
limit "token_bucket" "wide" {
  rate  = "1/h"
  burst = 5
  scope = "shared"
}
limit "token_bucket" "tight" {
  rate  = "1/h"
  burst = 2
  scope = "shared"
}
limit "token_bucket" "local" {
  rate  = "1/h"
  burst = 4
}
route "all" {
  path    = "/all"
  service = "orders"
  limits  = ["wide", "local", "tight"]
}
`+route("wide")+route("local")).gateways[0]
	if passed, _ := spend(t, g, "/all"); passed != 2 {
		t.Errorf("%d requests passed all, want 2", passed)
	}
	for range 5 {
		g.Get("/all")
	}
	if passed, _ := spend(t, g, "/wide"); passed != 3 {
		t.Errorf("%d requests passed the wide one alone, want the 3 that are left", passed)
	}
	if passed, _ := spend(t, g, "/local"); passed != 2 {
		t.Errorf("%d requests passed the local one alone, want the 2 that are left", passed)
	}
}

// ofEach has a limit for each on_store_error.
var ofEach = `
limit "token_bucket" "share" {
  rate  = "1/h"
  burst = 20
  key   = [request.header["X-Tenant"], client.ip]
  scope = "shared"
}
limit "token_bucket" "open" {
  rate           = "1000/s"
  burst          = 1000000
  scope          = "shared"
  on_store_error = "open"
}
limit "token_bucket" "closed" {
  rate           = "1000/s"
  burst          = 1000000
  scope          = "shared"
  on_store_error = "closed"
}
` + route("share") + route("open") + route("closed")

// promptly bounds how much longer an answer takes while the store is away than one
// that has nothing to do with it: far longer than the store's timeout, and far shorter
// than any other timeout.
const promptly = 2 * time.Second

// watch sends requests to the routes of ofEach, and to none, until it is told to stop.
// That returns what was wrong: no answer may be late or other than asked for.
func (s sharing) watch(t *testing.T) (stop func() error) {
	done := make(chan struct{})
	var ending sync.Once
	end := func() { ending.Do(func() { close(done) }) }
	var wg sync.WaitGroup
	t.Cleanup(func() {
		end()
		wg.Wait()
	})
	const nowhere = "/nowhere"
	var mu sync.Mutex
	var wrong []error
	longest := map[string]time.Duration{} // by path
	for _, g := range s.gateways {
		for path, other := range map[string]int{
			"/share": http.StatusTooManyRequests, "/open": http.StatusOK, "/closed": http.StatusServiceUnavailable, nowhere: http.StatusNotFound,
		} {
			wg.Go(func() {
				tick := time.NewTicker(2 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-done:
						return
					case <-tick.C:
					}
					began := time.Now()
					a, err := g.Try(http.MethodGet, path, nil)
					if err == nil && a.Status != http.StatusOK && a.Status != other {
						err = fmt.Errorf("%s: status %d: %s", path, a.Status, a.Body)
					}
					took := time.Since(began)
					mu.Lock()
					if err != nil {
						wrong = append(wrong, err)
					}
					longest[path] = max(longest[path], took)
					mu.Unlock()
				}
			})
		}
	}
	return func() error {
		end()
		wg.Wait()
		for path, took := range longest {
			if took > longest[nowhere]+promptly {
				wrong = append(wrong, fmt.Errorf("%s: an answer took %v, and %v where no store is asked", path, took, longest[nowhere]))
			}
		}
		return errors.Join(wrong...)
	}
}

// answers waits until it shows that the store answers, or that it does not.
func (s sharing) answers(t *testing.T, want bool) {
	t.Helper()
	for _, g := range s.gateways {
		harness.Within(t, harness.Patience, fmt.Sprintf("the store answers: %t", want), func() error {
			status := http.StatusServiceUnavailable
			if want {
				status = http.StatusOK
			}
			a, err := g.Try(http.MethodGet, "/closed", nil)
			if err == nil && a.Status != status {
				err = fmt.Errorf("/closed: %d: %s", a.Status, a.Body)
			}
			if got := storeOf(t, g); err == nil && got.Answers != want {
				err = fmt.Errorf("%+v", got)
			}
			return err
		})
	}
}

// While the store is away in one way or another answers keep flowing, as each
// limit asks for, and all is as before once it is back.
func TestSharedLimitsWithoutTheirStore(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]func(*testing.T, *harness.Redis, *harness.Detour) (end func()){
		"killed and restarted empty": func(_ *testing.T, r *harness.Redis, _ *harness.Detour) func() {
			r.Kill()
			return r.Restart
		},
		"stopped": func(t *testing.T, r *harness.Redis, _ *harness.Detour) func() {
			if err := r.Process().Pause(); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := r.Process().Resume(); err != nil {
					t.Fatal(err)
				}
			}
		},
		"slow": func(_ *testing.T, _ *harness.Redis, way *harness.Detour) func() {
			way.Delay(500 * time.Millisecond)
			return func() { way.Delay(0) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := harness.StartRedis(t)
			way := harness.StartDetour(t, redis.Address)
			s := startSharing(t, 2, way.Address, "  gateways = 2\n  timeout = \"100ms\"", ofEach)
			s.answers(t, true)
			// Each has heard of the other once it has told of its limits after the other has.
			for _, g := range append(s.gateways, s.gateways...) {
				answered := func() int { f := storeOf(t, g); return f.Calls - f.Failed }
				was := answered()
				harness.Within(t, harness.Patience, "the gateways have told each other", func() error {
					if n := answered() - was; n < 3*3 {
						return fmt.Errorf("%d calls were answered", n)
					}
					return nil
				})
			}
			// Any single answer of the store may be too late, on a busy machine.
			harness.Within(t, harness.Patience, "clients are told of a budget in the store", func() error {
				if a := s.gateways[0].Get("/closed"); a.Header.Get("RateLimit") == "" {
					return fmt.Errorf("status %d, no RateLimit", a.Status)
				}
				return nil
			})

			end := outage(t, redis, way)
			s.answers(t, false)
			// A client that nobody has seen yet gets its budget once, half of it from
			// each.
			if got := s.flood(t, "/share", 40, "X-Tenant: new"); got[http.StatusOK] != 20 || got[http.StatusTooManyRequests] != 60 {
				t.Errorf("share: %v, want 20 to pass", got)
			}
			if got := s.flood(t, "/open", 40); got[http.StatusOK] != 80 {
				t.Errorf("open: %v, want all to pass", got)
			}
			a := s.gateways[0].Get("/closed")
			if p := a.Problem(t); p.Type != problemType("overloaded") || a.Header.Get("Retry-After") == "" || a.Header.Get("RateLimit") != "" {
				t.Errorf("closed: %+v, %v", p, a.Header)
			}
			for _, g := range s.gateways {
				_, limits := figures(t, g)
				for _, name := range []string{"share", "open", "closed"} {
					if l := limits[name]; l.Scope != "shared" || l.StoreError == 0 {
						t.Errorf("no decision without the store was counted: %+v", l)
					}
				}
			}
			end()
			s.answers(t, true)

			// Again, in the midst of load.
			stop := s.watch(t)
			end = outage(t, redis, way)
			s.answers(t, false)
			end()
			s.answers(t, true)
			if err := stop(); err != nil {
				t.Error(err)
			}
			for _, g := range s.gateways {
				if !g.Log.Contains("store of limits does not answer") || !g.Log.Contains("store of limits answers again") {
					t.Error("the log does not tell of the outage")
				}
			}
		})
	}
}
