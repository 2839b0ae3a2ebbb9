package consul

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// restore puts the fake back to an earlier index, with another content.
func (f *fake) restore(name string, entries ...*api.ServiceEntry) {
	f.change(func() {
		f.restores++
		f.index, f.indexOf[name], f.services[name] = 3, 3, entries
	})
}

func TestARestoreIsSeenAtOnce(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		pass(10 * time.Second)
		f.restore("web", entry("web9", api.HealthPassing))
		pass(time.Second)
		r.want("web", "web9", "a second after the restore")
		f.restore("web", entry("web1", api.HealthPassing))
		pass(15 * time.Second)
		r.want("web", "web1", "after another one")
	})
}

// TestARestoreThatTakesAWhile ends the queries first, and has the former state
// answer for some time.
func TestARestoreThatTakesAWhile(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		pass(10 * time.Second)
		f.change(func() { f.restores++ })
		pass(3 * time.Second)
		f.change(func() {
			f.index, f.indexOf["web"], f.services["web"] = 3, 3, []*api.ServiceEntry{entry("web9", api.HealthPassing)}
		})
		pass(3 * time.Second)
		r.want("web", "web9", "once the restored state is in force")
	})
}

// TestAnotherAgentBetweenTwoQueries has the agent go away and come back without its
// state while the watch asks nothing: what it asks for next is an index that the
// new one has not reached.
func TestAnotherAgentBetweenTwoQueries(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		r := start(t, f, Config{}, "web")
		pass(10 * time.Second)
		f.change(func() {
			f.broken = rootsPath
			f.index, f.indexOf["web"], f.services["web"] = 3, 3, []*api.ServiceEntry{entry("web9", api.HealthPassing)}
		})
		pass(10 * time.Millisecond)
		r.want("web", "web1", "the watch waits for an index")
		f.change(func() { f.broken = "" })
		pass(time.Second)
		r.want("web", "web9", "a second after the agent was back")
	})
}

// TestTheSentinelRests counts what it costs.
func TestTheSentinelRests(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		start(t, f, Config{}, "web")
		pass(10*waitTime + time.Second)
		if n := len(f.requests(rootsPath)); n != 12 {
			t.Errorf("asked %d times in ten waits, want 12", n)
		}
		if n := len(f.requests("/v1/health/service/web")); n > 13 {
			t.Errorf("the service was read %d times in ten waits", n)
		}
	})
}

// TestWithoutRoots has servers without a mesh, which refuse the list.
func TestWithoutRoots(t *testing.T) {
	in(t, func(t *testing.T, f *fake) {
		f.forbid[rootsPath] = true
		r := start(t, f, Config{}, "web")
		pass(10 * waitTime)
		if n := len(f.requests(rootsPath)); n < 20 || n > 60 {
			t.Errorf("asked %d times in ten minutes, want one or two a minute and a few more at first", n)
		}
		f.restore("web", entry("web9", api.HealthPassing))
		pass(waitTime + time.Second)
		r.want("web", "web9", "at the end of the wait")
	})
}
