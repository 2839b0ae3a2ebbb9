package agent

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/consul/api"
)

// kvConsul is a fakeConsul with a KV store.
type kvConsul struct {
	*fakeConsul
	address string

	mu     sync.Mutex
	index  uint64
	moved  chan struct{} // closed and replaced at every change
	keys   map[string]string
	away   bool
	denied bool
}

func newKVConsul(t *testing.T) *kvConsul {
	t.Helper()
	c := &kvConsul{fakeConsul: newFakeConsul(t), index: 5, moved: make(chan struct{}), keys: map[string]string{}}
	s := httptest.NewServer(c)
	c.address = s.Listener.Addr().String()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return c
}

// put writes keys below policies/, all at once; the text "-" removes one.
func (c *kvConsul) put(pairs ...string) {
	c.edit(func() {
		for i := 0; i < len(pairs); i += 2 {
			c.keys["policies/"+pairs[i]] = pairs[i+1]
			if pairs[i+1] == "-" {
				delete(c.keys, "policies/"+pairs[i])
			}
		}
	})
}

func (c *kvConsul) edit(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.index++
	close(c.moved)
	c.moved = make(chan struct{})
}

func (c *kvConsul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/v1/kv/") {
		c.fakeConsul.ServeHTTP(w, r)
		return
	}
	index, _ := strconv.ParseUint(r.URL.Query().Get("index"), 10, 64)
	c.mu.Lock()
	defer c.mu.Unlock()
	for index > 0 && c.index <= index && !c.away {
		moved := c.moved
		c.mu.Unlock()
		select {
		case <-r.Context().Done():
		case <-moved:
		}
		c.mu.Lock()
		if r.Context().Err() != nil {
			return
		}
	}
	if c.away {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Consul-Index", strconv.FormatUint(c.index, 10))
	w.Header().Set("X-Consul-LastContact", "0")
	w.Header().Set("X-Consul-KnownLeader", "true")
	var list []api.KVPair
	for _, key := range slices.Sorted(maps.Keys(c.keys)) {
		list = append(list, api.KVPair{Key: key, Value: []byte(c.keys[key]), ModifyIndex: c.index})
	}
	switch {
	case c.denied && !r.URL.Query().Has("recurse"):
		http.Error(w, "Permission denied", http.StatusForbidden)
	case c.denied || len(list) == 0 || !r.URL.Query().Has("recurse"):
		w.WriteHeader(http.StatusNotFound)
	default:
		_ = json.NewEncoder(w).Encode(list)
	}
}

// block configures a gateway that takes policies from it, and a service besides.
func (c *kvConsul) block(more string) string {
	return "consul {\n  address = \"" + c.address + "\"\n}\npolicies {\n  kv_prefix = \"policies/\"\n  watch = false\n}\n" + more
}

// gives waits until the path answers so.
func (g *gateway) gives(path, body string) {
	g.t.Helper()
	eventually(g.t, path+" gives "+body, func() bool { return g.get(path).body == body })
}

func (g *gateway) policies() KVInfo {
	g.t.Helper()
	return decode[KVInfo](g.t, g.api(http.MethodGet, "/v1/policies"))
}

func TestKVPolicies(t *testing.T) {
	t.Parallel()
	c := newKVConsul(t)
	c.put("a.hcl", route("a", "/a", "one"))
	g := start(t, c.block(service("one", says(t, "one"))+route("f", "/f", "one"))).awaitReady()
	g.gives("/a", "one")
	if n := g.current.Load().number; n != 1 {
		t.Errorf("the policies that were there at the start are in generation %d", n)
	}

	// One answer of Consul is one swap.
	c.put("a.hcl", "-", "b.hcl", route("a", "/a", "one"), "c.hcl", route("c", "/c", "one"))
	g.gives("/c", "one")
	if n := g.current.Load().number; n != 2 {
		t.Errorf("three keys changed at once, and the generation is %d", n)
	}
	if at := g.current.Load().config.Policy.Routes[1].Range.String(); !strings.HasPrefix(at, "kv:policies/b.hcl:1") {
		t.Errorf("the route is at %s", at)
	}

	// What is broken changes nothing, and is told with its key and line.
	c.put("b.hcl", "\n\nroute \"a\" {\n  servce = \"one\"\n}\n", "c.hcl", route("c", "/changed", "one"))
	eventually(t, "the broken key is refused", func() bool { return g.reloads.failed.Load() == 1 })
	g.gives("/a", "one")
	g.gives("/c", "one")
	p := g.policies()
	if p.Current || p.Generation != 2 || !strings.Contains(p.Diagnostics, "on kv:policies/b.hcl line 4, in route") || len(p.Keys) != 2 {
		t.Errorf("the API says %+v", p)
	}
	ready := g.api(http.MethodGet, "/v1/ready")
	if ready.status != http.StatusOK || !strings.Contains(ready.body, "are refused, the ones before stay: kv:policies/b.hcl:") {
		t.Errorf("ready says %d %s", ready.status, ready.body)
	}
	if m := g.api(http.MethodGet, "/v1/metrics").body; !strings.Contains(m, "lictor_kv_refused 1\n") || !strings.Contains(m, "lictor_kv_age_seconds 0\n") {
		t.Error("the metrics do not tell")
	}
	if g.log.count("kv:policies/b.hcl line 4") == 0 {
		t.Error("the log does not tell")
	}

	// A reload for another reason judges the files with the newest keys.
	if _, err := g.Reload(); err == nil {
		t.Error("a reload passed by what lies in Consul")
	}
	c.put("b.hcl", route("a", "/a", "one"), "c.hcl", route("c", "/c", "one"))
	eventually(t, "the mended keys serve", func() bool { p := g.policies(); return p.Current && p.Diagnostics == "" })
	if m := g.api(http.MethodGet, "/v1/metrics").body; !strings.Contains(m, "lictor_kv_refused 0\n") {
		t.Error("the metric says refused")
	}

	c.put("b.hcl", "-", "c.hcl", "-")
	eventually(t, "the keys are gone", func() bool { return g.get("/a").status == http.StatusNotFound })
	g.gives("/f", "one")
	if why := g.NotReady(); len(why) > 0 {
		t.Errorf("not ready: %q", why)
	}
}

// A file that changes is taken up with the keys, and one that is broken keeps the
// keys back until it is mended.
func TestKVPoliciesAndFiles(t *testing.T) {
	t.Parallel()
	c := newKVConsul(t)
	one := service("one", says(t, "one"))
	c.put("a.hcl", route("a", "/a", "one"))
	g := start(t, c.block(one)).awaitReady()
	g.accept(c.block(one + route("f", "/f", "one")))
	g.gives("/a", "one")
	g.gives("/f", "one")
	if _, err := g.reload(c.block(one + route("a", "/f", "one"))); err == nil || !strings.Contains(err.Error(), "kv:policies/a.hcl") {
		t.Errorf("a file that takes a key's name: %v", err)
	}
	failed := g.reloads.failed.Load()
	c.put("b.hcl", route("b", "/b", "one"))
	eventually(t, "the key is refused with the file", func() bool { return g.reloads.failed.Load() > failed })
	g.accept(c.block(one))
	g.gives("/b", "one")
	other := strings.Replace(c.block(one), "policies/", "elsewhere/", 1)
	if notes := g.accept(other).Notes; !slices.Contains(notes, "restart needed: policies.kv_prefix changed") {
		t.Errorf("notes %q", notes)
	}
	g.gives("/a", "one")
}

// Without Consul, a gateway starts with what it had taken up before.
func TestKVPoliciesSurviveARestart(t *testing.T) {
	t.Parallel()
	c := newKVConsul(t)
	dir := t.TempDir()
	text := c.block(service("one", says(t, "one"))+route("f", "/f", "one")) + "data_dir = \"" + dir + "\"\n"
	c.put("a.hcl", route("a", "/a", "one"))
	g := start(t, text).awaitReady()
	g.gives("/a", "one")
	c.put("a.hcl", route("a", "/b", "one"))
	g.gives("/b", "one")
	g.stop()
	g.await()

	c.edit(func() { c.away = true })
	g = start(t, text).awaitReady()
	g.gives("/b", "one")
	if p := g.policies(); !p.Stale || p.Error == "" || len(p.Keys) != 1 {
		t.Errorf("the API says %+v", p)
	}
	c.put("a.hcl", route("a", "/c", "one"))
	c.edit(func() { c.away = false })
	g.gives("/c", "one")
	g.stop()
	g.await()

	// What is broken now does not undo what was good.
	c.put("a.hcl", "route {")
	g = start(t, text).awaitReady()
	g.gives("/c", "one")
	if p := g.policies(); p.Current || p.Diagnostics == "" {
		t.Errorf("the API says %+v", p)
	}
	c.put("a.hcl", route("a", "/d", "one"))
	g.gives("/d", "one")
	g.stop()
	g.await()

	// Without anything kept, the files serve and the gateway is not ready.
	if err := os.Remove(filepath.Join(dir, "consul-kv.json")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		how  func()
		mend func()
		why  string
	}{
		{func() { c.away = true }, func() { c.away = false }, "can't be read"},
		{func() { c.denied = true }, func() { c.denied = false }, `key_prefix "policies/" { policy = "read" }`},
		{func() { c.keys["policies/a.hcl"] = "route {" }, func() { c.keys["policies/a.hcl"] = route("a", "/d", "one") }, "are refused: kv:policies/a.hcl:1"},
	} {
		c.edit(tt.how)
		g = start(t, text)
		g.gives("/f", "one")
		if why := strings.Join(g.NotReady(), "; "); !strings.Contains(why, tt.why) {
			t.Errorf("not ready because %q, want %q", why, tt.why)
		}
		c.edit(tt.mend)
		g.awaitReady().gives("/d", "one")
		g.stop()
		g.await()
		if err := os.Remove(filepath.Join(dir, "consul-kv.json")); err != nil {
			t.Fatal(err)
		}
	}
}

// Reloads for files and for keys at the same time end with both.
func TestKVPoliciesRace(t *testing.T) {
	t.Parallel()
	c := newKVConsul(t)
	one := service("one", says(t, "one"))
	g := start(t, c.block(one)).awaitReady()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 30 {
			c.put("a.hcl", route("a", "/a"+strconv.Itoa(i), "one"))
		}
	})
	for i := range 30 {
		g.accept(c.block(one + route("f", "/f"+strconv.Itoa(i), "one")))
	}
	wg.Wait()
	g.gives("/f29", "one")
	g.gives("/a29", "one")
}
