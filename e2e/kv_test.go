//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// inKV makes a gateway take policies from Consul alone.
const inKV = "kv_prefix = \"lictor/policies/\"\nwatch = false"

const kvPolicies = "lictor/policies/"

// kvRoute is a route of this name to orders.
func kvRoute(name, prefix string) string {
	return fmt.Sprintf("route %q {\n  path_prefix = %q\n  service     = \"orders\"\n}\n", name, prefix)
}

// policyFiles makes a folder of files.
func policyFiles(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		write(t, filepath.Join(dir, pairs[i]), []byte(pairs[i+1]))
	}
	return dir
}

// kvCommand runs a command of `lictor policies` against the Consul at the address.
func kvCommand(t *testing.T, address string, args ...string) harness.Result {
	t.Helper()
	return harness.RunLictor(t, []string{"CONSUL_HTTP_ADDR=" + address}, append([]string{"policies"}, args...)...)
}

// pushed wants a push to be made.
func pushed(t *testing.T, address, dir string, options ...string) {
	t.Helper()
	r := kvCommand(t, address, append(append([]string{"push"}, options...), dir)...)
	if r.Code != 0 {
		t.Fatalf("push ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// TestKVPolicies writes policies into Consul, and wants them to serve promptly, a
// mistake to change nothing but to be told, and their end to be taken up as well.
func TestKVPolicies(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 2, harness.Options{PoliciesBlock: inKV})
	if a := w.gateway.Get("/orders"); a.Status != http.StatusNotFound {
		t.Errorf("without any policy: %d", a.Status)
	}
	dir := policyFiles(t, "orders.hcl", kvRoute("orders", "/orders"), "more.hcl", kvRoute("more", "/more"))
	pushed(t, w.consul.Address(), dir)
	harness.Within(t, harness.Patience, "what was pushed serves", onlyBy(w.gateway, "/more", w.orders...))
	if r := kvCommand(t, w.consul.Address(), "diff", dir); r.Code != 0 || r.Stdout != "" {
		t.Errorf("diff ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}

	w.consul.PutKey(kvPolicies+"more.hcl", "\n\nroute \"more\" {\n  timeuot     = \"1s\"\n  service     = \"orders\"\n  path_prefix = \"/other\"\n}\n")
	harness.Within(t, harness.Patience, "the mistake is told", func() error {
		_, body, err := w.gateway.AdminGet("/v1/ready")
		if err == nil && (!contains(body, "kv:lictor/policies/more.hcl:4,") || !w.gateway.Log.Contains("kv:lictor/policies/more.hcl line 4")) {
			err = fmt.Errorf("it says %s", body)
		}
		return err
	})
	if n := w.gateway.Metric(t, "lictor_kv_refused"); n != 1 {
		t.Errorf("lictor_kv_refused is %v", n)
	}
	if err := onlyBy(w.gateway, "/more", w.orders...)(); err != nil {
		t.Errorf("the policies from before the mistake: %v", err)
	}
	if r := kvCommand(t, w.consul.Address(), "diff", dir); r.Code != 1 || !strings.Contains(r.Stdout, "\n-  timeuot     = \"1s\"\n") {
		t.Errorf("diff ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}

	// Whoever pulls gets the mistake; whoever pushes mends it.
	copied := filepath.Join(t.TempDir(), "copy")
	if r := kvCommand(t, w.consul.Address(), "pull", copied); r.Code != 0 {
		t.Errorf("pull ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if r := kvCommand(t, w.consul.Address(), "push", copied); r.Code != 1 || !strings.Contains(r.Stderr, filepath.Join(copied, "more.hcl")+" line 4") {
		t.Errorf("a push of a mistake ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	write(t, filepath.Join(dir, "more.hcl"), []byte(kvRoute("more", "/mended")))
	pushed(t, w.consul.Address(), dir)
	harness.Within(t, harness.Prompt, "what was mended serves", onlyBy(w.gateway, "/mended", w.orders...))
	if n := w.gateway.Metric(t, "lictor_kv_refused"); n != 0 {
		t.Errorf("lictor_kv_refused is %v", n)
	}

	if err := w.consul.Delete(t.Context(), "/v1/kv/"+kvPolicies+"?recurse"); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Prompt, "the policies are gone", refused(w.gateway, "/orders", http.StatusNotFound, "no-route"))
}

// TestKVSnapshotRestored puts Consul back into the state of before.
func TestKVSnapshotRestored(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, 1, harness.Options{PoliciesBlock: inKV})
	dir := policyFiles(t, "orders.hcl", kvRoute("orders", "/before"))
	pushed(t, w.consul.Address(), dir)
	harness.Within(t, harness.Patience, "what was pushed serves", onlyBy(w.gateway, "/before", w.orders...))
	state, err := w.consul.SaveSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "orders.hcl"), []byte(kvRoute("orders", "/after")))
	pushed(t, w.consul.Address(), dir)
	harness.Within(t, harness.Patience, "what was pushed last serves", onlyBy(w.gateway, "/after", w.orders...))
	if err := w.consul.RestoreSnapshot(t.Context(), state); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "what was restored serves", onlyBy(w.gateway, "/before", w.orders...))
}

// TestKVTransactionsUnderLoad moves a route from one key to another again and
// again, each time as one transaction, and wants no request to miss it.
func TestKVTransactionsUnderLoad(t *testing.T) {
	w := newWorldWith(t, 2, harness.Options{PoliciesBlock: inKV})
	ledger := &harness.Ledger{}
	for _, i := range w.orders {
		i.Record(ledger)
	}
	move := func(n int) {
		t.Helper()
		dir := policyFiles(t, fmt.Sprintf("key-%d.hcl", n%2), kvRoute("orders", "/orders"), "mark.hcl", kvRoute("mark", fmt.Sprintf("/mark-%d", n)))
		pushed(t, w.consul.Address(), dir, "-prune")
	}
	move(0)
	harness.Within(t, harness.Patience, "the route serves", func() error {
		if a := w.gateway.Get("/mark-0"); a.Status != http.StatusOK {
			return fmt.Errorf("status %d", a.Status)
		}
		return nil
	})
	before := ledger.Arrivals()
	load := harness.Load{URL: w.gateway.URL("/orders")}.Start(t)
	for n := 1; n <= 20; n++ {
		load.WaitFor(load.Sent() + 100)
		move(n)
		harness.Within(t, harness.Prompt, "the route has moved", func() error {
			if a := w.gateway.Get(fmt.Sprintf("/mark-%d", n)); a.Status != http.StatusOK {
				return fmt.Errorf("status %d", a.Status)
			}
			return nil
		})
	}
	load.WaitFor(enough)
	report := load.Finish()
	if err := report.Err(); err != nil {
		t.Error(err)
	}
	if got := ledger.Arrivals() - before; int64(got) != report.Sent {
		t.Errorf("%d requests arrived, %d were sent", got, report.Sent)
	}
	if n := w.gateway.Metric(t, "lictor_reloads_total", "result=failed"); n != 0 {
		t.Errorf("%v reloads were refused: somebody saw half of a transaction", n)
	}
}

// TestKVPushConflicts has somebody else write between a push's look and its
// write, and wants neither to be lost.
func TestKVPushConflicts(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	consul.PutKey(kvPolicies+"a.hcl", kvRoute("a", "/a"))
	consul.PutKey(kvPolicies+"b.hcl", kvRoute("b", "/b"))
	through, interfere := between(t, consul.Address(), func(r *http.Request) bool { return r.URL.Path == "/v1/txn" })
	dir := policyFiles(t, "a.hcl", kvRoute("a", "/mine"), "b.hcl", kvRoute("b", "/b"), "c.hcl", kvRoute("c", "/c"))
	for _, key := range []string{"a.hcl", "b.hcl", "c.hcl"} { // changed, the same, new
		interfere(func() { consul.PutKey(kvPolicies+key, kvRoute("theirs", "/theirs")) })
		r := kvCommand(t, through, "push", dir)
		if r.Code != 1 || !strings.Contains(r.Stderr, "somebody else has changed "+kvPolicies+key+" meanwhile") {
			t.Errorf("%s: push ended with %d: %s%s", key, r.Code, r.Stdout, r.Stderr)
		}
		r = kvCommand(t, consul.Address(), "diff", dir)
		if !strings.Contains(r.Stdout, "-route \"theirs\"") || !strings.Contains(r.Stdout, "/mine") {
			t.Errorf("%s: diff says %s%s", key, r.Stdout, r.Stderr)
		}
		consul.PutKey(kvPolicies+"a.hcl", kvRoute("a", "/a"))
		consul.PutKey(kvPolicies+"b.hcl", kvRoute("b", "/b"))
		if err := consul.Delete(t.Context(), "/v1/kv/"+kvPolicies+"c.hcl"); err != nil {
			t.Fatal(err)
		}
	}
	pushed(t, through, dir)
}

// between is a way to Consul on which a test may do something right before a
// request that matches, once.
func between(t *testing.T, address string, matches func(*http.Request) bool) (through string, interfere func(func())) {
	t.Helper()
	var mu sync.Mutex
	var first func()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if matches(r) {
			mu.Lock()
			if first != nil {
				first()
				first = nil
			}
			mu.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), func(do func()) {
		mu.Lock()
		defer mu.Unlock()
		first = do
	}
}

// TestKVPushBounds pushes more than Consul takes.
func TestKVPushBounds(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	var many []string
	for i := range 128 {
		many = append(many, fmt.Sprintf("r%d.hcl", i), kvRoute(fmt.Sprintf("r%d", i), fmt.Sprintf("/r%d", i)))
	}
	pushed(t, consul.Address(), policyFiles(t, many...))
	// What stays as it is leaves no less room for changes.
	many[1] = kvRoute("r0", "/changed")
	pushed(t, consul.Address(), policyFiles(t, append(many, "new.hcl", kvRoute("new", "/new"))...))
	for i := 1; i < len(many); i += 2 {
		many[i] += "# changed\n"
	}
	large := "# " + strings.Repeat("x", 600<<10) + "\n" + kvRoute("r0", "/r0")
	for name, tt := range map[string]struct{ dir, want string }{
		"operations": {policyFiles(t, append(many, "new.hcl", kvRoute("new", "/new2"))...), "129 changes are more than the 128 that Consul takes"},
		"one value":  {policyFiles(t, "r0.hcl", large), "512 KiB"},
	} {
		if r := kvCommand(t, consul.Address(), "push", tt.dir); r.Code != 1 || !strings.Contains(r.Stderr, tt.want) {
			t.Errorf("%s: push ended with %d: %s%s", name, r.Code, r.Stdout, r.Stderr)
		}
	}
}

// TestKVRights leaves out one rule after another.
func TestKVRights(t *testing.T) {
	t.Parallel()
	consul := startDenying(t, nil)
	consul.PutKey(kvPolicies+"orders.hcl", kvRoute("orders", "/orders"))
	orders := harness.StartInstance(t, "orders", "orders-1")
	consul.Register(orders)
	all := readServices + readNodes + readAgents
	policy := consul.policy("", "edge", all)
	secret, _ := consul.token(policy)
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte(secret))
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: fmt.Sprintf("token_file = %q", file), PoliciesBlock: inKV, NotReady: true,
	})
	says(t, gateway, "its policy needs key_prefix")
	if status, body, err := gateway.AdminGet("/v1/ready"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("ready without its policies: %d %s %v", status, body, err)
	}
	if r := kvCommand(t, consul.Address(), "diff", "-token-file", file, t.TempDir()); r.Code != 2 || !strings.Contains(r.Stderr, `key_prefix "lictor/policies/" { policy = "read" }`) {
		t.Errorf("diff ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}

	consul.policy(policy, "edge", all+`key_prefix "lictor/policies/" { policy = "read" }`+"\n")
	harness.Within(t, harness.Patience, "it serves once it may read", onlyBy(gateway, "/orders", orders))
	dir := policyFiles(t, "orders.hcl", kvRoute("orders", "/elsewhere"))
	if r := kvCommand(t, consul.Address(), "push", "-token-file", file, dir); r.Code != 1 || !strings.Contains(r.Stderr, `key_prefix "lictor/policies/" { policy = "write" }`) {
		t.Errorf("push ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}

	// Rights that vanish look like keys that vanish.
	consul.policy(policy, "edge", all)
	consul.PutKey(kvPolicies+"other.hcl", kvRoute("other", "/other"))
	says(t, gateway, "the token may not read all keys below it")
	if err := onlyBy(gateway, "/orders", orders)(); err != nil {
		t.Errorf("without rights: %v", err)
	}
	consul.policy(policy, "edge", all+`key_prefix "lictor/policies/" { policy = "read" }`+"\n")
	harness.Within(t, harness.Patience, "it reads again", onlyBy(gateway, "/other", orders))
}

// TestKVConsulAway kills Consul: what serves goes on, a gateway that starts
// meanwhile begins with what the one before it had, and a Consul that has lost all
// keys takes none from it.
func TestKVConsulAway(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsulServer(t)
	consul.Age()
	orders := harness.StartInstance(t, "orders", "orders-1")
	consul.Register(orders)
	pushed(t, consul.Address(), policyFiles(t, "orders.hcl", kvRoute("orders", "/orders")))
	state := t.TempDir()
	options := harness.Options{Consul: consul.Address(), PoliciesBlock: inKV, Config: fmt.Sprintf("data_dir = %q", state)}
	gateway := harness.StartGateway(t, options)
	harness.Within(t, harness.Patience, "it serves", onlyBy(gateway, "/orders", orders))

	consul.Kill()
	harness.Within(t, harness.Patience, "it notices", func() error {
		if !gateway.Log.Contains("policies in the KV store can't be read") {
			return fmt.Errorf("nothing is logged")
		}
		return nil
	})
	if err := onlyBy(gateway, "/orders", orders)(); err != nil {
		t.Errorf("without Consul: %v", err)
	}
	if code := gateway.Stop(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	gateway = harness.StartGateway(t, options)
	harness.Within(t, harness.Patience, "it serves what was known", onlyBy(gateway, "/orders", orders))

	consul.Restart(false)
	orders2 := harness.StartInstance(t, "orders", "orders-2")
	consul.Register(orders2)
	pushed(t, consul.Address(), policyFiles(t, "orders.hcl", kvRoute("orders", "/orders"), "more.hcl", kvRoute("more", "/more")))
	harness.Within(t, harness.Patience, "it follows Consul again", onlyBy(gateway, "/more", orders, orders2))

	consul.Kill()
	consul.Restart(true)
	harness.Within(t, harness.Patience, "it holds what Consul has lost", func() error {
		_, body, err := gateway.AdminGet("/v1/ready")
		if err == nil && !contains(body, "it lost its state") {
			err = fmt.Errorf("it says %s", body)
		}
		return err
	})
	if a := gateway.Get("/more"); a.Status != http.StatusOK {
		t.Errorf("the policies that Consul has lost: %d %s", a.Status, a.Body)
	}
	consul.Register(orders)
	pushed(t, consul.Address(), policyFiles(t, "new.hcl", kvRoute("new", "/new")))
	harness.Within(t, harness.Patience, "what is written anew serves", onlyBy(gateway, "/new", orders))
	if _, err := os.Stat(filepath.Join(state, "consul-kv.json")); err != nil {
		t.Error(err)
	}
}
