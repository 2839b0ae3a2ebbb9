package consul

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

// remember runs a source against a Consul with two services, so that dir holds
// their last good state.
func remember(t *testing.T, dir string) {
	t.Helper()
	in(t, func(t *testing.T, f *fake) {
		f.set("api", entry("api1"))
		r := start(t, f, Config{DataDir: dir}, "web", "api")
		pass(time.Hour)
		r.stop()
	})
}

func TestColdStartWhileConsulIsAway(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir)
	in(t, func(t *testing.T, f *fake) {
		f.change(func() { f.down = true })
		r := start(t, f, Config{DataDir: dir}, "web", "api", "new")
		r.want("web", "web1 stale", "from disk")
		r.want("api", "api1 stale", "from disk")
		r.want("new", "?", "never known")
		pass(time.Minute)
		st := r.Status()
		if len(st.Pending) != 1 || st.Pending[0] != "new" || st.Err == nil {
			t.Errorf("pending %v, error %v, want new pending", st.Pending, st.Err)
		}
		f.set("web", entry("web2", api.HealthPassing))
		f.set("api", entry("api1"))
		f.change(func() { f.down = false })
		pass(time.Second)
		r.want("web", "web2", "Consul is back")
		r.want("api", "api1", "Consul is back, and confirms")
		if st := r.Status(); st.Age != 0 || len(st.Pending) != 0 {
			t.Errorf("status %+v, want live", st)
		}
	})
}

// A Consul that comes back without its state takes away nothing that is on disk, as far
// as it may have got in its new history, until there was time to register again.
func TestColdStartWhileConsulLosesItsState(t *testing.T) {
	for _, further := range []uint64{0, 1, 1000} {
		dir := t.TempDir()
		remember(t, dir)
		in(t, func(t *testing.T, f *fake) {
			f.change(func() { f.down = true })
			r := start(t, f, Config{DataDir: dir}, "web", "api")
			r.want("web", "web1 stale", "from disk")
			f.change(func() { f.index += further })
			f.set("web")
			f.set("api")
			f.change(func() { f.down = false })
			pass(30 * time.Second)
			r.want("web", "web1 stale", "Consul is back, and knows nothing")
			f.set("api", entry("api2"))
			pass(5 * time.Second)
			r.want("api", "api2", "it is registered again")
			pass(regressionGrace)
			r.want("web", "", "nobody has registered it again")
			f.set("api")
			pass(5 * time.Second)
			r.want("api", "", "what Consul has confirmed goes when it says so")
		})
	}
}

func TestColdStartAgeCountsFromTheLastConfirmation(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir) // bubbles begin at the same time, and this one lasts an hour
	in(t, func(t *testing.T, f *fake) {
		time.Sleep(3 * time.Hour)
		f.change(func() { f.down = true })
		r := start(t, f, Config{DataDir: dir}, "web")
		if got := r.Status().Age; got != 2*time.Hour {
			t.Errorf("age %v, want the two hours since Consul last confirmed", got)
		}
	})
}

func TestDiskIsNotUsedWhileConsulIsThere(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir)
	in(t, func(t *testing.T, f *fake) {
		f.set("web")
		r := start(t, f, Config{DataDir: dir}, "web")
		pass(time.Minute)
		r.want("web", "", "Consul says so")
		r.stop()
		for _, s := range r.snapshots {
			if v := s.Services["web"]; v != nil && v.Stale {
				t.Error("a stale service was published though Consul answered")
			}
		}
	})
}

func TestColdStartSurvivesASecondOne(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir)
	for range 2 {
		in(t, func(t *testing.T, f *fake) {
			f.change(func() { f.down = true })
			r := start(t, f, Config{DataDir: dir}, "web")
			r.want("web", "web1 stale", "from disk")
			r.stop()
		})
	}
}

func TestAStopBeforeTheFirstAnswerKeepsWhatIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir)
	for _, swallow := range []string{"/", "/v1/health/service/api"} {
		in(t, func(t *testing.T, f *fake) {
			time.Sleep(2 * time.Hour) // after what was remembered
			f.change(func() { f.swallow = swallow })
			r := start(t, f, Config{DataDir: dir}, "web", "api")
			r.stop()
			l := newStore(dir, hclog.NewNullLogger()).load(nil)
			if s := l.services["api"]; s == nil || len(s.service.Instances) != 1 {
				t.Errorf("api is lost, since Consul does not answer for %s: %+v", swallow, l.services)
			}
		})
	}
}

func TestColdStartWithoutALeader(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.change(func() { f.status = 500 })
		r := start(t, f, Config{}, "web")
		r.want("web", "web1 stale", "a stale read answers")
		n := 0
		pass(5 * time.Minute)
		for _, a := range f.requests("/v1/health/service/") {
			if a.stale {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d stale reads, want one, for the cold start", n)
		}
		f.change(func() { f.status = 0 })
		pass(backoffMax)
		r.want("web", "web1", "a leader is there")
	})
}

func TestChangesReachTheDisk(t *testing.T) {
	dir := t.TempDir()
	in(t, func(t *testing.T, f *fake) {
		start(t, f, Config{DataDir: dir}, "web")
		pass(saveInterval)
		f.set("web", entry("web1", api.HealthPassing), entry("web2", api.HealthPassing))
		pass(saveInterval)
		l := newStore(dir, hclog.NewNullLogger()).load(nil)
		if s := l.services["web"]; s == nil || len(s.service.Instances) != 2 || !s.service.Stale {
			t.Fatalf("on disk: %+v", l.services)
		}
		if l.here != (place{Node: "n1", Datacenter: "dc1"}) {
			t.Errorf("our node on disk is %+v", l.here)
		}
		info, err := os.Stat(filepath.Join(dir, storeName))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
		}
		before := info.ModTime()
		pass(time.Second)
		pass(touchInterval)
		if info, err = os.Stat(filepath.Join(dir, storeName)); err != nil || !info.ModTime().After(before) {
			t.Errorf("a quiet catalog is not written again: %v, %v", info.ModTime(), err)
		}
		names, err := os.ReadDir(dir)
		if err != nil || len(names) != 1 {
			t.Errorf("the directory holds %v, %v, want one file", names, err)
		}
	})
}

func TestLoadJudgesAddressesAgain(t *testing.T) {
	dir := t.TempDir()
	s := newStore(dir, hclog.NewNullLogger())
	s.save(time.Unix(1, 0), place{Node: "n1"}, map[string]*saved{"web": {service: &catalog.Service{
		Name: "web", Instances: []catalog.Instance{
			{Key: "n1/a", Address: "10.0.0.1", Port: 80, Weight: 1},
			{Key: "n1/b", Address: "10.0.0.1", Port: 9980, Weight: 1},
			{Key: "n1/c", Address: "127.0.0.1", Port: 80, Weight: 1},
			{Key: "n1/d", Address: "127.0.0.1", Port: 80, Weight: 1, Local: true, Ports: map[string]int{"x": 81, "bad": 0}},
			{Key: "n1/e", Address: "10.0.0.1", Port: 80, Ineligible: "critical"},
		},
	}}})
	own := netip.MustParseAddrPort("10.0.0.1:9980")
	got := s.load(func(ap netip.AddrPort) bool { return ap == own }).services["web"].service.Instances
	for i, why := range []string{"", "own", "loopback", "", "critical"} {
		if (got[i].Ineligible == "") != (why == "") || !strings.Contains(got[i].Ineligible, why) {
			t.Errorf("%s is not eligible because %q, want %q", got[i].Key, got[i].Ineligible, why)
		}
	}
	if len(got[3].Ports) != 1 {
		t.Errorf("named ports %v, want the good one only", got[3].Ports)
	}
}

func TestBrokenFileIsNoCatalog(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "not JSON": "{", "another version": `{"Version":99}`, "another shape": `{"Version":1,"Services":3}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, storeName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if l := newStore(dir, hclog.NewNullLogger()).load(nil); len(l.services) != 0 {
			t.Errorf("%s: %+v", name, l.services)
		}
	}
}

func TestAnOlderStateNeverReplacesANewerOne(t *testing.T) {
	s := newStore(t.TempDir(), hclog.NewNullLogger())
	with := func(id string) map[string]*saved {
		return map[string]*saved{"web": {service: &catalog.Service{Name: "web", Instances: []catalog.Instance{{Key: id}}}}}
	}
	s.save(time.Unix(20, 0), place{}, with("new"))
	s.save(time.Unix(10, 0), place{}, with("old"))
	if got := s.load(nil).services["web"].service.Instances[0].Key; got != "new" {
		t.Errorf("on disk is %q", got)
	}
}

func TestADirectoryThatCannotBeWrittenIsSurvived(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("web", entry("web1"))
		r := start(t, f, Config{DataDir: file}, "web")
		pass(time.Minute)
		r.want("web", "web1", "without a disk")
	})
}
