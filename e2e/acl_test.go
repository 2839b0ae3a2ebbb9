//go:build e2e

package e2e

import (
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

// The rules of the README, one by one.
const (
	readServices = `service_prefix "" { policy = "read" }` + "\n"
	readNodes    = `node_prefix "" { policy = "read" }` + "\n"
	readAgents   = `agent_prefix "" { policy = "read" }` + "\n"
	writeItself  = `service "lictor" { policy = "write" }` + "\n"
)

// management is the token of whoever runs the datacenter. It is made up, and good
// in a test's own Consul alone.
const management = "6f0a2c4e-8b1d-4f3a-9c5e-7d2b1a0f9e8c"

// denying is a Consul that denies by default.
type denying struct {
	*harness.Consul
	t *testing.T
}

func startDenying(t *testing.T, more map[string]any) denying {
	t.Helper()
	config := map[string]any{
		"acl": map[string]any{
			"enabled": true, "default_policy": "deny", "enable_token_persistence": false,
			"tokens": map[string]string{"initial_management": management, "agent": management, "default": ""},
		},
	}
	maps.Copy(config, more)
	return denying{harness.StartConsulWith(t, datacenter.Options{Config: config, Token: management}), t}
}

// policy makes or replaces a policy and returns its ID.
func (g denying) policy(id, name, rules string) string {
	g.t.Helper()
	var made struct{ ID string }
	path := "/v1/acl/policy"
	if id != "" {
		path += "/" + id
	}
	if err := g.Put(g.t.Context(), path, map[string]string{"ID": id, "Name": name, "Rules": rules}, &made); err != nil {
		g.t.Fatal(err)
	}
	return made.ID
}

// token makes a token with a policy, and returns its secret and how it is revoked.
func (g denying) token(policy string) (secret string, revoke func()) {
	g.t.Helper()
	var made struct{ SecretID, AccessorID string }
	err := g.Put(g.t.Context(), "/v1/acl/token", map[string]any{"Policies": []map[string]string{{"ID": policy}}}, &made)
	if err != nil {
		g.t.Fatal(err)
	}
	return made.SecretID, func() {
		g.t.Helper()
		if err := g.Agent.Delete(g.t.Context(), "/v1/acl/token/"+made.AccessorID); err != nil {
			g.t.Fatal(err)
		}
	}
}

// says waits until the gateway names what is missing, in its log and to whoever
// asks whether it is ready.
func says(t *testing.T, g *harness.Gateway, what string) {
	t.Helper()
	// A blocking query that began before rights changed ends with what it found then, after
	// a minute and a sixteenth, and so may the next one before it tells what it found.
	harness.Within(t, 5*harness.Patience, fmt.Sprintf("%q is said", what), func() error {
		_, body, err := g.AdminGet("/v1/ready")
		if err == nil && (!contains(body, what) || !g.Log.Contains(what)) {
			err = fmt.Errorf("it says %s", body)
		}
		return err
	})
}

// TestRightsVanish takes the token's rights away while requests are served, then
// gives them back. What Consul says meanwhile is that there are no instances, which
// must not be believed. Consul says it differently with streaming and without.
func TestRightsVanish(t *testing.T) {
	t.Parallel()
	for name, streaming := range map[string]bool{"streaming": true, "not streaming": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			consul := startDenying(t, map[string]any{"use_streaming_backend": streaming})
			all := readServices + readNodes + readAgents
			policy := consul.policy("", "edge", all)
			secret, _ := consul.token(policy)
			file := filepath.Join(t.TempDir(), "token")
			write(t, file, []byte(secret))
			orders := harness.StartInstances(t, "orders", 2)
			consul.Register(orders...)
			gateway := harness.StartGateway(t, harness.Options{
				Consul: consul.Address(), Policies: ordersRoute, ConsulBlock: fmt.Sprintf("token_file = %q", file),
			})
			harness.Within(t, harness.Patience, "both serve", onlyBy(gateway, "/orders", orders...))
			load := harness.Load{URL: gateway.URL("/orders"), Workers: 4}.Start(t)

			consul.policy(policy, "edge", readNodes+readAgents)
			says(t, gateway, `service \"orders\"`)
			load.WaitFor(load.Sent() + 500)
			consul.policy(policy, "edge", all)
			late := harness.StartInstance(t, "orders", "orders-late")
			consul.Register(late)
			harness.Within(t, 3*harness.Patience, "the catalog is live again", onlyBy(gateway, "/orders", append(orders, late)...))
			harness.Within(t, 3*harness.Patience, "nothing is missing any more", func() error {
				status, body, err := gateway.AdminGet("/v1/ready")
				if err == nil && (status != http.StatusOK || contains(body, "policy")) {
					err = fmt.Errorf("%d %s", status, body)
				}
				return err
			})
			if err := load.Finish().Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTokenIsReplaced revokes the token under load, after another one was put
// into the file, and then with no other.
func TestTokenIsReplaced(t *testing.T) {
	t.Parallel()
	consul := startDenying(t, nil)
	policy := consul.policy("", "edge", readServices+readNodes+readAgents)
	first, revokeFirst := consul.token(policy)
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, []byte(first))
	orders := harness.StartInstances(t, "orders", 2)
	consul.Register(orders...)
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), Policies: ordersRoute, ConsulBlock: fmt.Sprintf("token_file = %q", file),
	})
	harness.Within(t, harness.Patience, "both serve", onlyBy(gateway, "/orders", orders...))
	load := harness.Load{URL: gateway.URL("/orders"), Workers: 4}.Start(t)

	second, revokeSecond := consul.token(policy)
	write(t, file, []byte(second))
	revokeFirst()
	third := harness.StartInstance(t, "orders", "orders-3")
	consul.Register(third)
	orders = append(orders, third)
	harness.Within(t, harness.Patience, "the new token is used", onlyBy(gateway, "/orders", orders...))

	revokeSecond()
	fourth := harness.StartInstance(t, "orders", "orders-4")
	consul.Register(fourth)
	orders = append(orders, fourth)
	says(t, gateway, "token")
	load.WaitFor(load.Sent() + 500)
	last, _ := consul.token(policy)
	write(t, file, []byte(last))
	harness.Within(t, 3*harness.Patience, "it follows again", onlyBy(gateway, "/orders", orders...))
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
}

// method makes the auth method "edge", which gives the gateway edge-1 a token of
// these rules, and returns what makes bearer tokens.
func (g denying) method(t *testing.T, rules string) (bearer func(gateway string) []byte) {
	t.Helper()
	policy := g.policy("", "edge", rules)
	key := harness.NewKey(t, "ES256", "edge")
	ask := func(path string, body map[string]any) {
		t.Helper()
		if err := g.Put(t.Context(), path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	ask("/v1/acl/role", map[string]any{"Name": "edge", "Policies": []map[string]string{{"ID": policy}}})
	ask("/v1/acl/auth-method", map[string]any{
		"Name": "edge", "Type": "jwt", "MaxTokenTTL": "61s",
		"Config": map[string]any{
			"JWTValidationPubKeys": []string{string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key.Public()}))}, "BoundAudiences": []string{"consul"},
			"JWTSupportedAlgs": []string{"ES256"}, "ClaimMappings": map[string]string{"sub": "gateway"},
		},
	})
	ask("/v1/acl/binding-rule", map[string]any{
		"AuthMethod": "edge", "BindType": "role", "BindName": "edge", "Selector": `value.gateway == "edge-1"`,
	})
	expires := time.Now().Add(time.Hour).Unix()
	return func(gateway string) []byte {
		return []byte(key.Token(harness.Claims{"sub": gateway, "aud": "consul", "iat": expires - 3660, "exp": expires}))
	}
}

// loginBlock is how a gateway logs in with the bearer token of a file.
func loginBlock(file string) string {
	return fmt.Sprintf("service {}\nlogin {\n  auth_method = \"edge\"\n  bearer_token_file = %q\n}", file)
}

// accessors returns the tokens that the auth method gave and that still are.
func (g denying) accessors(t *testing.T) map[string]bool {
	t.Helper()
	var all []struct{ AccessorID, AuthMethod string }
	if err := g.Get(t.Context(), "/v1/acl/tokens?authmethod=edge", &all); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, a := range all {
		ids[a.AccessorID] = true
	}
	return ids
}

// TestLoginComesFirst has policies in Consul that only a login lets read: the
// gateway starts with them, and the commands about them log in as well.
func TestLoginComesFirst(t *testing.T) {
	t.Parallel()
	consul := startDenying(t, nil)
	bearer := consul.method(t, readServices+readNodes+readAgents+writeItself+`key_prefix "lictor/" { policy = "write" }`)
	file := filepath.Join(t.TempDir(), "bearer")
	write(t, file, bearer("edge-1"))
	orders := harness.StartInstance(t, "orders", "orders-1")
	consul.Register(orders)

	dir := t.TempDir()
	conf := filepath.Join(dir, "lictor.hcl")
	write(t, conf, fmt.Appendf(nil, "listener \"web\" {\n  address = \"127.0.0.1:0\"\n}\nconsul {\n  address = %q\n%s\n}\npolicies {\n  %s\n}\n", consul.Address(), loginBlock(file), inKV))
	policies := policyFiles(t, "orders.hcl", ordersRoute)
	if r := harness.RunLictor(t, nil, "policies", "push", "-config-file", conf, policies); r.Code != 0 {
		t.Fatalf("push ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if left := consul.accessors(t); len(left) > 0 {
		t.Errorf("tokens were not given back: %v", left)
	}
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: loginBlock(file), PoliciesBlock: inKV,
	})
	if a := gateway.Get("/orders"); a.Status != http.StatusOK {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, complaint := range []string{"starting without", "[WARN]"} {
		if gateway.Log.Contains(complaint) {
			t.Errorf("the start says %q", complaint)
		}
	}
	write(t, file, bearer("somebody else"))
	if r := harness.RunLictor(t, nil, "policies", "diff", "-config-file", conf, policies); r.Code != 2 || !strings.Contains(r.Stderr, "logging in by the auth method") {
		t.Errorf("diff by a stranger ended with %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
}

// TestLogin gets tokens by an auth method, which expire soon, and gives the last
// one back.
func TestLogin(t *testing.T) {
	t.Parallel()
	consul := startDenying(t, nil)
	bearer := consul.method(t, readServices+readNodes+readAgents+writeItself)
	file := filepath.Join(t.TempDir(), "bearer")
	write(t, file, bearer("somebody else"))
	orders := harness.StartInstances(t, "orders", 2)
	consul.Register(orders...)
	gateway := harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), Policies: ordersRoute, NotReady: true,
		ConsulBlock: loginBlock(file),
	})
	says(t, gateway, `logging in by the auth method`)
	if a := gateway.Get("/orders"); a.Status != http.StatusServiceUnavailable {
		t.Errorf("without a token: %d %s", a.Status, a.Body)
	}
	write(t, file, bearer("edge-1"))
	harness.Within(t, 3*harness.Patience, "it serves", onlyBy(gateway, "/orders", orders...))

	// Each token is replaced before it expires: the accessors of two differ.
	first := consul.accessors(t)
	load := harness.Load{URL: gateway.URL("/orders"), Workers: 2, Every: 50 * time.Millisecond}.Start(t)
	harness.Within(t, 4*harness.Patience, "another token is taken", func() error {
		for id := range consul.accessors(t) {
			if !first[id] {
				return nil
			}
		}
		return fmt.Errorf("%v is still the only one", first)
	})
	late := harness.StartInstance(t, "orders", "orders-late")
	consul.Register(late)
	harness.Within(t, harness.Patience, "it follows by the new token", onlyBy(gateway, "/orders", append(orders, late)...))
	if err := load.Finish().Err(); err != nil {
		t.Error(err)
	}
	before := len(consul.accessors(t))
	gateway.Stop()
	if after := len(consul.accessors(t)); after >= before {
		t.Errorf("%d tokens before the end, %d after: none was given back", before, after)
	}
}

// TestMissingRulesAreNamed starts a gateway with each of the rules missing.
func TestMissingRulesAreNamed(t *testing.T) {
	t.Parallel()
	consul := startDenying(t, nil)
	orders := harness.StartInstance(t, "orders", "orders-1")
	consul.Register(orders)
	for name, c := range map[string]struct{ rules, says string }{
		"services": {readNodes + readAgents + writeItself, `service \"orders\"`},
		"nodes":    {readServices + readAgents + writeItself, `node_prefix`},
		"agents":   {readServices + readNodes + writeItself, `agent_prefix`},
		"itself":   {readServices + readNodes + readAgents, `service \"lictor\"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret, _ := consul.token(consul.policy("", "without-"+name, c.rules))
			file := filepath.Join(t.TempDir(), "token")
			write(t, file, []byte(secret))
			gateway := harness.StartGateway(t, harness.Options{
				Consul: consul.Address(), Policies: ordersRoute, NotReady: true,
				ConsulBlock: fmt.Sprintf("token_file = %q\nservice {}", file),
			})
			says(t, gateway, c.says)
		})
	}
}
