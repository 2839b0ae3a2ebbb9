package consul

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

// running is a source at work against a fake, inside a synctest bubble.
type running struct {
	*Source
	t    *testing.T
	stop func()

	mu        sync.Mutex
	snapshots []*catalog.Snapshot
	at        []time.Time
}

// start runs a source that follows the services until the test ends. Time in
// the bubble is its own, so that tests state exact times and wait for none.
func start(t *testing.T, f *fake, cfg Config, services ...string) *running {
	t.Helper()
	cfg.Logger = hclog.NewNullLogger()
	cfg.API = &api.Config{Address: "consul.test:8500", Scheme: "http", HttpClient: &http.Client{Transport: f}}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Source: s, t: t}
	ctx, cancel := context.WithCancel(t.Context())
	var feed catalog.Feed
	var wg sync.WaitGroup
	s.Follow(services)
	wg.Go(func() {
		if err := s.Run(ctx, &feed); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	wg.Go(func() {
		for {
			snap, err := feed.Next(ctx)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.snapshots, r.at = append(r.snapshots, snap), append(r.at, time.Now())
			r.mu.Unlock()
		}
	})
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(r.stop)
	synctest.Wait()
	return r
}

// pass lets time go by in the bubble, until everything has come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// last returns the service as published last, nil when it is in no snapshot.
func (r *running) last(name string) *catalog.Service {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.snapshots) == 0 {
		return nil
	}
	return r.snapshots[len(r.snapshots)-1].Services[name]
}

// keys returns the IDs of the service's instances as published last, those not
// eligible in parentheses; "?" when the service is in no snapshot.
func (r *running) keys(name string) string {
	s := r.last(name)
	if s == nil {
		return "?"
	}
	var ids []string
	for _, in := range s.Instances {
		if in.Eligible() {
			ids = append(ids, in.ID)
		} else {
			ids = append(ids, "("+in.ID+")")
		}
	}
	if s.Stale {
		ids = append(ids, "stale")
	}
	return strings.Join(ids, " ")
}

func (r *running) want(name, keys, when string) {
	r.t.Helper()
	if got := r.keys(name); got != keys {
		r.t.Errorf("%s: service %s is %q, want %q", when, name, got, keys)
	}
}

func (r *running) published() int {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.snapshots)
}

// in runs a test in a bubble with a fake that has one instance of web.
func in(t *testing.T, test func(t *testing.T, f *fake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("web", entry("web1", api.HealthPassing))
		test(t, f)
	})
}

func TestChangesArePublishedAtOnce(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web", "api")
		r.want("web", "web1", "first answer")
		r.want("api", "", "a service that Consul does not know")
		if st := r.Status(); len(st.Pending) != 0 || st.Age != 0 || st.Err != nil {
			t.Errorf("status %+v, want live", st)
		}
		pass(time.Second)
		for _, step := range []struct {
			entries []*api.ServiceEntry
			want    string
		}{
			{[]*api.ServiceEntry{entry("web1", api.HealthPassing), entry("web2", api.HealthPassing)}, "web1 web2"},
			{[]*api.ServiceEntry{entry("web2", api.HealthPassing), entry("web1", api.HealthCritical)}, "(web1) web2"},
			{[]*api.ServiceEntry{entry("web2", api.HealthPassing)}, "web2"},
			{nil, ""},
			{[]*api.ServiceEntry{entry("web3", api.HealthPassing)}, "web3"},
		} {
			f.set("web", step.entries...)
			synctest.Wait() // no time passes
			r.want("web", step.want, "after a change")
			pass(time.Second)
		}
		if got := r.Status().Services["web"].Changes; got != 5 {
			t.Errorf("%d changes counted, want 5", got)
		}
	})
}

func TestSameContentIsNotPublishedAgain(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		before := r.published()
		f.set("web", entry("web1", api.HealthPassing))
		pass(time.Second)
		if got := r.published(); got != before {
			t.Errorf("%d snapshots for one content", got-before+1)
		}
		pass(10 * time.Minute)
		if got := r.published(); got != before {
			t.Error("a quiet catalog published snapshots")
		}
		if st := r.Status(); st.Age != 0 {
			t.Errorf("a quiet catalog has aged by %v", st.Age)
		}
	})
}

func TestAFloorLiesBetweenAnswers(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		start(t, f, Config{}, "web")
		pass(time.Second)
		before := len(f.requests("/v1/health/service/web"))
		for range 1000 { // a change every ms for a second
			f.set("web", entry("web1", api.HealthPassing))
			pass(time.Millisecond)
		}
		n := len(f.requests("/v1/health/service/web")) - before
		if n < 14 || n > 22 {
			t.Errorf("%d queries in a second of constant change, want one per 50 to 70 ms", n)
		}
	})
}

func TestErrorsKeepTheLastGood(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		pass(time.Second)
		f.change(func() { f.down = true })
		pass(5 * time.Minute)
		r.want("web", "web1", "while Consul is away")
		st := r.Status()
		if st.Err == nil || st.Age != 5*time.Minute || st.Services["web"].Err == nil {
			t.Errorf("age %v, error %v, want 5m and an error", st.Age, st.Err)
		}
		queries, probes := len(f.requests("/v1/health/")), len(f.requests("/v1/status/leader"))
		if queries > 40 {
			t.Errorf("%d queries in 5 minutes of outage: the back-off does not hold", queries)
		}
		if probes < 590 || probes > 610 {
			t.Errorf("%d probes in 5 minutes, want one per 500 ms", probes)
		}
		f.change(func() { f.down = false })
		pass(501 * time.Millisecond)
		if st := r.Status(); st.Err != nil || st.Age != 0 {
			t.Errorf("half a second after Consul is back: age %v, error %v", st.Age, st.Err)
		}
	})
}

func TestOneProbeWakesEveryWatch(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		names := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		r := start(t, f, Config{}, names...)
		pass(time.Second)
		f.change(func() { f.down = true })
		pass(2 * time.Minute)
		n := len(f.requests("/v1/status/leader"))
		if n > 245 {
			t.Errorf("%d probes in two minutes: each watch has its own", n)
		}
		f.change(func() { f.down = false })
		pass(501 * time.Millisecond)
		for _, name := range names {
			if err := r.Status().Services[name].Err; err != nil {
				t.Errorf("service %s still waits: %v", name, err)
			}
		}
	})
}

func TestAProbeThatWakesForNothingIsIgnored(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		pass(time.Second)
		// The agent says that all is well, and breaks every connection but that.
		f.change(func() { f.broken = "/v1/health/" })
		pass(10 * time.Minute)
		if n := len(f.requests("/v1/health/service/web")); n > 70 {
			t.Errorf("%d queries in ten minutes: the probe defeats the back-off", n)
		}
		f.change(func() { f.broken = "" })
		pass(backoffMax)
		if err := r.Status().Err; err != nil {
			t.Errorf("still not read: %v", err)
		}
	})
}

func TestAQueryHeldByAStartingAgentIsAskedAnew(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		pass(time.Second)
		f.change(func() { f.down = true })
		pass(time.Minute)
		f.change(func() { f.down, f.swallow = false, "/" })
		before := len(f.requests("/v1/health/service/web"))
		pass(backoffMax)
		if len(f.requests("/v1/health/service/web")) == before {
			t.Fatal("the watch did not ask while the agent was starting")
		}
		for n := len(f.requests("/v1/health/service/web")); n == len(f.requests("/v1/health/service/web")); {
			pass(100 * time.Millisecond) // to where a query has just begun
		}
		f.change(func() { f.swallow = "" })
		pass(probeTimeout + probeInterval)
		if err := r.Status().Err; err != nil {
			t.Errorf("not asked anew when the agent was ready: %v", err)
		}
	})
}

func TestAQueryThatHangsIsGivenUp(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		pass(time.Second)
		f.change(func() { f.stalled = true })
		pass(60 * time.Second)
		if st := r.Status(); st.Err != nil || st.Age != 0 {
			t.Errorf("a blocking query is given up too early: %v", st.Err)
		}
		pass(14 * time.Second)
		st := r.Status()
		if st.Err == nil {
			t.Fatal("a hanging query outlives its deadline")
		}
		if st.Age < 73*time.Second {
			t.Errorf("age %v: nobody knows since when the agent hung, so it counts from the question", st.Age)
		}
		f.set("web", entry("web2", api.HealthPassing))
		f.change(func() { f.stalled = false })
		pass(3 * time.Second)
		r.want("web", "web2", "after the agent moves again")
	})
}

func TestRefusedQueriesBackOffFurther(t *testing.T) {
	for status, most := range map[int]int{http.StatusForbidden: 60, http.StatusTooManyRequests: 60, http.StatusInternalServerError: 110} {
		in(t, func(t *testing.T, f *fake) {
			r := start(t, f, Config{}, "web")
			f.change(func() { f.status = status })
			f.set("web")
			pass(15 * time.Minute)
			r.want("web", "web1", "while refused")
			if n := len(f.requests("/v1/health/service/web")); n > most {
				t.Errorf("status %d: %d queries in 15 minutes, want at most %d", status, n, most)
			}
			if len(f.requests("/v1/status/leader")) > 0 {
				t.Errorf("status %d: an agent that answers was probed", status)
			}
		})
	}
}

func TestOnlyABlockingSuccessResetsTheBackOff(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		f.change(func() { f.status = 500 })
		f.set("web", entry("web2", api.HealthPassing)) // wakes the query
		pass(10 * time.Minute)
		// Plain reads succeed, blocking ones fail: the back-off must stay long.
		before := len(f.requests("/v1/health/service/web"))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				f.change(func() { f.status = 0 })
				time.Sleep(10 * time.Millisecond)
				last := f.requests("/v1/health/service/web")
				if last[len(last)-1].index > 0 {
					f.change(func() { f.status, f.index, f.indexOf["web"] = 500, f.index+1, f.index+1 })
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
		pass(2 * time.Minute)
		cancel()
		wg.Wait()
		if n := len(f.requests("/v1/health/service/web")) - before; n > 80 {
			t.Errorf("%d queries in two minutes, though no blocking one succeeded", n)
		}
		r.want("web", "web2", "meanwhile")
	})
}

func TestFilteredByACLsIsHeldAndRestored(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{Token: "t"}, "web")
		pass(time.Second)
		f.change(func() { f.filtered, f.index, f.indexOf["web"] = true, f.index+1, f.index+1 })
		pass(10 * time.Minute)
		r.want("web", "web1", "while filtered")
		st := r.Status()
		if st.Services["web"].Held != heldFiltered || st.Age < 9*time.Minute {
			t.Errorf("held %q, age %v, want it to age", st.Services["web"].Held, st.Age)
		}
		if len(st.Warnings) != 1 || !strings.Contains(st.Warnings[0], "node_prefix") {
			t.Errorf("warnings %q, want the missing node rule", st.Warnings)
		}
		f.change(func() { f.filtered = false })
		pass(holdMaxRefused)
		if st := r.Status(); st.Services["web"].Held != "" || st.Age != 0 || len(st.Warnings) != 0 {
			t.Errorf("after the rights are back: %+v", st)
		}
		f.set("web")
		synctest.Wait()
		r.want("web", "", "a genuine removal afterwards")
	})
}

func TestTheMissingServiceRuleIsNamed(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.change(func() { f.filtered, f.forbid["/v1/health/connect/web"] = true, true })
		r := start(t, f, Config{Token: "t"}, "web")
		r.want("web", "", "nothing was known, so nothing is held")
		if w := r.Status().Warnings; len(w) != 1 || !strings.Contains(w[0], `service "web" { policy = "read" }`) {
			t.Errorf("warnings %q, want the missing service rule", w)
		}
		f.change(func() { f.filtered = false })
		pass(aclInterval)
		if w := r.Status().Warnings; len(w) != 0 {
			t.Errorf("warnings %q after the rule is there", w)
		}
	})
}

func TestWithoutATokenUnderDefaultDeny(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		f.change(func() { f.deny = true })
		f.set("web")
		pass(5 * time.Minute)
		r.want("web", "web1", "held")
		st := r.Status()
		if st.Services["web"].Held != heldAnonymous || !slices.Contains(st.Warnings, warnAnonymousText) {
			t.Errorf("held %q, warnings %q", st.Services["web"].Held, st.Warnings)
		}
	})
}

func TestABadTokenIsAWarning(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.change(func() { f.status = http.StatusForbidden })
		r := start(t, f, Config{Token: "t"}, "web")
		if st := r.Status(); !slices.Contains(st.Warnings, warnTokenText) || !slices.Contains(st.Pending, "web") {
			t.Errorf("status %+v", st)
		}
		f.change(func() { f.status = 0 })
		pass(30 * time.Second)
		if st := r.Status(); len(st.Warnings) != 0 || len(st.Pending) != 0 {
			t.Errorf("status %+v once the token is good", st)
		}
	})
}

func TestLostStateIsHeldForTheGrace(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.change(func() { f.index, f.indexOf["web"] = 5000, 5000 })
		r := start(t, f, Config{}, "web", "api")
		pass(time.Second)
		f.change(func() { f.down = true })
		pass(10 * time.Second)
		f.change(func() {
			f.down, f.index = false, 3
			clear(f.services)
			clear(f.indexOf)
		})
		pass(60 * time.Second)
		r.want("web", "web1", "within the grace")
		f.set("api", entry("api1"))
		pass(holdMax)
		r.want("api", "api1", "a new registration")
		pass(30*time.Second + holdMax)
		r.want("web", "", "after the grace")
		if st := r.Status(); st.Age != 0 || st.Services["web"].Held != "" {
			t.Errorf("status %+v after the grace", st.Services["web"])
		}
	})
}

func TestContentIsComparedNotTheIndex(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		// As after the restore of a snapshot: another content, the same index.
		f.change(func() { f.services["web"] = []*api.ServiceEntry{entry("web9", api.HealthPassing)} })
		pass(waitTime + time.Second)
		r.want("web", "web9", "after the wait")
	})
}

func TestFollow(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.set("api", entry("api1"))
		r := start(t, f, Config{}, "web")
		pass(time.Second)
		n := len(f.requests("/v1/health/service/web"))
		r.Follow([]string{"web", "api", "web", ""})
		synctest.Wait()
		r.want("api", "api1", "followed later")
		if got := len(f.requests("/v1/health/service/web")); got != n {
			t.Error("the watch of a service that stays was disturbed")
		}
		r.Follow([]string{"api"})
		synctest.Wait()
		r.want("web", "?", "no longer followed")
		n = len(f.requests("/v1/health/service/web"))
		f.set("web", entry("web2"))
		pass(5 * time.Minute)
		if got := len(f.requests("/v1/health/service/web")); got != n {
			t.Error("a service that is no longer followed is asked for")
		}
		if st := r.Status(); len(st.Services) != 1 || len(st.Pending) != 0 {
			t.Errorf("status %+v", st)
		}
	})
}

func TestPendingUntilTheFirstAnswer(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.change(func() { f.down = true })
		r := start(t, f, Config{}, "web")
		pass(time.Minute)
		st := r.Status()
		if !slices.Equal(st.Pending, []string{"web"}) || st.Err == nil || st.Age != time.Minute {
			t.Errorf("status %+v, want web pending for a minute", st)
		}
		r.want("web", "?", "nothing is known")
		f.change(func() { f.down = false })
		pass(time.Second)
		r.want("web", "web1", "Consul is there")
	})
}

func TestRequireServiceCheck(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{RequireServiceCheck: true}, "web", "bare")
		f.set("bare", entry("b1"))
		f.set("web", entry("web1", api.HealthPassing), entry("web2"))
		pass(time.Second)
		r.want("bare", "b1", "a service without checks")
		r.want("web", "web1 (web2)", "one of two is without a check")
		f.set("web", entry("web1", api.HealthPassing), entry("web2", api.HealthPassing))
		pass(time.Second)
		r.want("web", "web1 web2", "its check has come, and passes")
		f.set("web", entry("web3"))
		pass(time.Second)
		r.want("web", "(web3)", "all were replaced")
		pass(checkMemory)
		r.want("web", "web3", "no check came: the service has none any more")
	})
}

func TestTokenFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	in(t, func(t *testing.T, f *fake) {
		start(t, f, Config{TokenFile: file}, "web")
		last := func() string {
			list := f.requests("/v1/health/service/web")
			return list[len(list)-1].token
		}
		if got := last(); got != "first" {
			t.Errorf("token %q, want the file's", got)
		}
		write("")
		pass(10 * time.Second)
		if got := last(); got != "first" {
			t.Errorf("token %q while the file is empty", got)
		}
		write("second")
		pass(tokenInterval)
		if got := last(); got != "second" {
			t.Errorf("token %q, want the new one without waiting for the query to end", got)
		}
	})
}

func TestLoopbackNeedsOurOwnNode(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		local := entry("web1")
		local.Service.Address = "127.0.0.1"
		f.set("web", local)
		f.change(func() { f.forbid["/v1/agent/self"] = true })
		r := start(t, f, Config{}, "web")
		r.want("web", "(web1)", "our node is not known")
		if w := r.Status().Warnings; len(w) != 1 || !strings.Contains(w[0], "agent_prefix") {
			t.Errorf("warnings %q, want the missing agent rule", w)
		}
		f.change(func() { delete(f.forbid, "/v1/agent/self") })
		pass(identityInterval)
		r.want("web", "web1", "our node is known")
		if w := r.Status().Warnings; len(w) != 0 {
			t.Errorf("warnings %q", w)
		}
	})
	in(t, func(t *testing.T, f *fake) {
		local := entry("web1")
		local.Service.Address = "127.0.0.1"
		f.set("web", local)
		f.change(func() { f.forbid["/v1/agent/self"] = true })
		r := start(t, f, Config{NodeName: "n1"}, "web")
		r.want("web", "web1", "our node is configured")
	})
}

// An agent that is slow to say where it runs must not have instances on loopback
// stay away for long, nor the gateway call itself ready without them.
func TestSlowToTellItsNode(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		local := entry("web1")
		local.Service.Address = "127.0.0.1"
		f.set("web", local)
		f.set("api", entry("api1"))
		f.change(func() { f.swallow = "/v1/agent/self" })
		r := start(t, f, Config{}, "web", "api")
		pass(identityTime)
		r.want("web", "(web1)", "nobody knows yet that it is here")
		r.want("api", "api1", "it is not on loopback")
		if p := r.Status().Pending; !slices.Equal(p, []string{"web"}) {
			t.Errorf("pending: %q, want web, which waits to be judged", p)
		}
		f.change(func() { f.swallow = "" })
		pass(backoffFirst + identityPatience + 2*backoffFirst)
		r.want("web", "web1", "the agent has told")
		if p := r.Status().Pending; len(p) != 0 {
			t.Errorf("pending: %q", p)
		}
	})
	in(t, func(t *testing.T, f *fake) {
		local := entry("web1")
		local.Service.Address = "127.0.0.1"
		f.set("web", local)
		f.change(func() { f.swallow = "/v1/agent/self" })
		r := start(t, f, Config{}, "web")
		pass(identityTime + (identityTimeouts-2)*identityPatience)
		if p := r.Status().Pending; len(p) != 1 {
			t.Errorf("pending: %q, want web", p)
		}
		pass(identityPatience + 4*identityTimeouts*backoffFirst)
		r.want("web", "(web1)", "the agent does not tell")
		if p := r.Status().Pending; len(p) != 0 {
			t.Errorf("pending: %q, though the agent won't tell", p)
		}
	})
}

// A change of the rules that comes between two queries, while a watch pauses,
// must not wait for the service to change.
func TestRulesThatChangeDuringThePause(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		local := entry("web1")
		local.Service.Address = "127.0.0.1"
		pass(time.Second)
		f.change(func() { f.node = "elsewhere" })
		r.here.Store(&place{Node: "elsewhere", Datacenter: "dc1"})
		f.set("web", local, entry("web2"))
		r.want("web", "(web1) web2", "no pause after a query that took long")
		f.set("web", local)
		r.want("web", "(web1)", "it was judged by another node")
		r.here.Store(&place{Node: "n1", Datacenter: "dc1"}) // the watch is in its pause now
		r.kick.strike()
		pass(floorMin + floorJitter)
		r.want("web", "web1", "it is judged anew when the pause is over")
	})
}

func TestNeverSentUnlessConfigured(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		start(t, f, Config{}, "web")
		pass(2 * time.Minute)
		for _, a := range f.requests("/") {
			for _, word := range []string{"ns=", "partition=", "dc=", "cached", "stale"} {
				if strings.Contains(a.query, word) {
					t.Errorf("%s?%s carries %s", a.path, a.query, word)
				}
			}
		}
	})
	in(t, func(t *testing.T, f *fake) {
		start(t, f, Config{Datacenter: "dc2", Namespace: "team"}, "web")
		for _, a := range f.requests("/v1/health/service/web") {
			if !strings.Contains(a.query, "dc=dc2") || !strings.Contains(a.query, "ns=team") {
				t.Errorf("query %q lacks what is configured", a.query)
			}
		}
		for _, a := range f.requests("/v1/agent/") {
			if strings.Contains(a.query, "dc=") {
				t.Errorf("the agent was asked with %q", a.query)
			}
		}
	})
}

// TestAnOddReplyIsAnError holds back a panic of the api's decoder.
func TestAnOddReplyIsAnError(t *testing.T) {
	odd := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`[{"Node":{},"Service":{},"Checks":[{"Definition":null}]}]`))
	})
	srv := httptest.NewServer(odd)
	t.Cleanup(srv.Close)
	con, err := newClient(&Config{Address: srv.URL, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := con.service(t.Context(), "web", 0, 0); err == nil || !strings.Contains(err.Error(), "decoding") {
		t.Errorf("error %v, want one about the answer", err)
	}
}
