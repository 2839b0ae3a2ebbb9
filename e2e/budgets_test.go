//go:build e2e

package e2e

import (
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// from is the field by which a trusted proxy says who the client is.
func from(address string) string { return "X-Forwarded-For: " + address }

// limited returns a token bucket of an hour's rate, so that no test depends on
// how fast it runs.
func limited(name string, burst int, key, more string) string {
	return fmt.Sprintf(`
limit "token_bucket" %q {
  rate  = "1/h"
  burst = %d
  key   = [%s]
  %s
}
`, name, burst, key, more)
}

// open returns a route of its own name with these limits.
func open(name string, limits ...string) string {
	return fmt.Sprintf("\nroute %q {\n  path_prefix = \"/%s\"\n  service = \"orders\"\n  limits = %s\n}\n", name, name, list(limits))
}

func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// passes checks that exactly n requests pass before one is refused.
func passes(t *testing.T, what string, n int, g *harness.Gateway, path string, fields ...string) {
	t.Helper()
	if got, _ := spend(t, g, path, fields...); got != n {
		t.Errorf("%s: %d requests passed, want %d", what, got, n)
	}
}

// verifications is how many tokens any provider has looked at.
func verifications(t *testing.T, g *harness.Gateway) float64 {
	t.Helper()
	return g.Metric(t, "lictor_jwt_verifications_total")
}

// A budget belongs to what its key names: a person wherever they are, an address
// whoever is there.
func TestBudgetsPerUserAndAddress(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t, "ES256", "one")
	w := newWorldWith(t, 1, harness.Options{
		Listener: `trusted_proxies = ["127.0.0.0/8"]`,
		Policies: provider("main", localKeys(keyFile(t, key)), "") +
			limited("per_user", 3, "jwt.sub", "") +
			limited("per_pair", 2, "jwt.sub, client.ip", "") +
			limited("per_tenant", 2, "jwt.tenant", "") +
			limited("per_plan", 2, "jwt.shop.plan", "") +
			limited("per_ip", 2, "client.ip", "") +
			limited("per_wide_ip", 2, "client.ip", "ipv6_prefix = 48\nipv4_prefix = 24") +
			limited("per_field", 2, `request.header["X-Tenant"]`, "") +
			limited("per_fields", 1, `request.header["X-A"], request.header["X-B"]`, "") +
			guarded("user", "main", "", `limits = ["per_user"]`) +
			guarded("pair", "main", "", `limits = ["per_pair"]`) +
			guarded("tenant", "main", "", `limits = ["per_tenant"]`) +
			guarded("plan", "main", "", `limits = ["per_plan"]`) +
			guarded("anybody", "main", "optional = true", `limits = ["per_user"]`) +
			open("ip", "per_ip") + open("wide", "per_wide_ip") + open("field", "per_field") + open("fields", "per_fields"),
	})
	g := w.gateway
	who := func(name string) string { return bearer(key.Token(person(name))) }

	t.Run("two people at one address", func(t *testing.T) {
		passes(t, "ada", 3, g, "/user", who("ada"), from("192.0.2.1"))
		passes(t, "bob", 3, g, "/user", who("bob"), from("192.0.2.1"))
	})
	t.Run("one person at several addresses, with fresh tokens", func(t *testing.T) {
		for n := range 6 {
			want := http.StatusOK
			if n >= 3 {
				want = http.StatusTooManyRequests
			}
			token := bearer(key.Token(person("carol").With("jti", n)))
			if a := g.Get("/user", token, from(fmt.Sprintf("192.0.2.%d", 10+n))); a.Status != want {
				t.Errorf("request %d: status %d, want %d", n, a.Status, want)
			}
		}
	})
	t.Run("a person at an address", func(t *testing.T) {
		passes(t, "here", 2, g, "/pair", who("ada"), from("192.0.2.1"))
		passes(t, "there", 2, g, "/pair", who("ada"), from("192.0.2.2"))
		passes(t, "somebody else", 2, g, "/pair", who("bob"), from("192.0.2.1"))
	})
	t.Run("without the claim", func(t *testing.T) {
		passes(t, "at one address", 2, g, "/tenant", who("ada"), from("192.0.2.1"))
		passes(t, "a second person there", 0, g, "/tenant", who("bob"), from("192.0.2.1"))
		passes(t, "at another", 2, g, "/tenant", who("bob"), from("192.0.2.2"))
		empty := bearer(key.Token(person("ada").With("tenant", "")))
		passes(t, "with an empty one", 0, g, "/tenant", empty, from("192.0.2.1"))
		for what, none := range map[string]any{"a list": []string{"a"}, "an object": map[string]any{"a": 1}, "null": json.RawMessage("null")} {
			passes(t, "with "+what, 0, g, "/tenant", bearer(key.Token(person("ada").With("tenant", none))), from("192.0.2.1"))
		}
		// A claim that looks like an address is none.
		passes(t, "a tenant of that name", 2, g, "/tenant", bearer(key.Token(person("eve").With("tenant", "192.0.2.1"))), from("192.0.2.7"))
	})
	t.Run("claims that are numbers, and inside of others", func(t *testing.T) {
		for _, n := range []string{"9007199254740992", "9007199254740993"} {
			passes(t, n, 2, g, "/tenant", bearer(key.Token(person("ada").With("tenant", json.Number(n)))))
		}
		for _, plan := range []string{"gold", "silver"} {
			passes(t, plan, 2, g, "/plan", bearer(key.Token(person(plan).With("shop", map[string]any{"plan": plan}))))
		}
	})
	t.Run("without a token", func(t *testing.T) {
		passes(t, "at one address", 3, g, "/anybody", from("192.0.2.1"))
		passes(t, "at another", 3, g, "/anybody", from("192.0.2.2"))
		passes(t, "a person there", 3, g, "/anybody", who("dan"), from("192.0.2.1"))
	})
	t.Run("without the field", func(t *testing.T) {
		passes(t, "at one address", 2, g, "/field", from("192.0.2.1"))
		passes(t, "with an empty one", 0, g, "/field", from("192.0.2.1"), "X-Tenant: ")
		passes(t, "with the connection taking it away", 0, g, "/field", from("192.0.2.1"), "X-Tenant: new", "Connection: X-Tenant")
		passes(t, "at another", 2, g, "/field", from("192.0.2.2"))
		passes(t, "of one tenant", 2, g, "/field", from("192.0.2.1"), "X-Tenant: a")
		passes(t, "of that tenant elsewhere", 0, g, "/field", from("192.0.2.3"), "x-tenant: a")
		passes(t, "of a tenant named like an address", 2, g, "/field", from("192.0.2.3"), "X-Tenant: 192.0.2.1")
	})
	t.Run("parts that run together", func(t *testing.T) {
		for _, pair := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"", "abc"}, {"c", "ab"}} {
			passes(t, fmt.Sprint(pair), 1, g, "/fields", "X-A: "+pair[0], "X-B: "+pair[1])
		}
	})
	t.Run("addresses of IPv6", func(t *testing.T) {
		statuses := map[int]int{}
		for n := range 50 {
			statuses[g.Get("/ip", from(fmt.Sprintf("2001:db8:1:1:%x::%x", n*1117, n))).Status]++
		}
		if statuses[http.StatusOK] != 2 || statuses[http.StatusTooManyRequests] != 48 {
			t.Errorf("50 addresses of one /64: %v", statuses)
		}
		passes(t, "bracketed, with a port", 0, g, "/ip", from("[2001:DB8:1:1::77]:4711"))
		passes(t, "another /64", 2, g, "/ip", from("2001:db8:1:2::1"))
		passes(t, "IPv4", 2, g, "/ip", from("192.0.2.1"))
		passes(t, "the same, mapped", 0, g, "/ip", from("::ffff:192.0.2.1"))
		passes(t, "its neighbour", 2, g, "/ip", from("192.0.2.2"))
		passes(t, "one of a /48", 2, g, "/wide", from("2001:db8:2:1::1"))
		passes(t, "another of it", 0, g, "/wide", from("2001:db8:2:ffff::1"))
		passes(t, "one of a /24", 2, g, "/wide", from("198.51.100.1"))
		passes(t, "another of it", 0, g, "/wide", from("198.51.100.254"))
	})
}

// Who is not trusted is nobody but itself.
func TestForgedAddressesGetNoBudget(t *testing.T) {
	t.Parallel()
	for name, listener := range map[string]string{
		"nobody trusted":  "",
		"others trusted":  `trusted_proxies = ["192.0.2.0/24", "::1/128"]`,
		"Forwarded read":  "trusted_proxies = [\"192.0.2.0/24\"]\nforwarded = \"forwarded\"",
		"far end forging": `trusted_proxies = ["127.0.0.0/8"]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, 1, harness.Options{
				Listener: listener,
				Policies: limited("per_ip", 2, "client.ip", "") + open("ip", "per_ip"),
			})
			statuses := map[int]int{}
			for n := range 20 {
				fake := fmt.Sprintf("203.0.113.%d", n)
				fields := []string{
					"Forwarded: for=" + fake, "X-Real-IP: " + fake, "X_Forwarded_For: " + fake, "X-Client-IP: " + fake,
					"True-Client-IP: " + fake, "CF-Connecting-IP: " + fake, "X-Original-Forwarded-For: " + fake, "X-Cluster-Client-IP: " + fake,
				}
				if name == "far end forging" {
					// What the trusted peer says last is true, the rest is hearsay.
					fields = append(fields, from(fake+", 198.51.100.9"), from("127.0.0.7"))
				} else {
					fields = append(fields, from(fake), from(fake+", "+fake), from("127.0.0.1, "+fake))
				}
				statuses[w.gateway.Get("/ip", fields...).Status]++
			}
			if statuses[http.StatusOK] != 2 || statuses[http.StatusTooManyRequests] != 18 {
				t.Errorf("20 forged addresses: %v", statuses)
			}
		})
	}
}

// Limits of the address come before anything that costs more, limits of the
// person after all that may still refuse them.
func TestOrderOfLimitsAndTokens(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t, "ES256", "one")
	w := newWorldWith(t, 1, harness.Options{
		Listener: `trusted_proxies = ["127.0.0.0/8"]`,
		Policies: provider("main", localKeys(keyFile(t, key)), "") +
			limited("per_ip", 3, "client.ip", "") + limited("per_user", 5, "jwt.sub", "") +
			guarded("both", "main", "", `limits = ["per_user", "per_ip"]`) +
			guarded("scoped", "main", `require = { scope = ["admin"] }`, `limits = ["per_user"]`),
	})
	g := w.gateway
	fresh := func(name string, n int) string { return bearer(key.Token(person(name).With("jti", n))) }

	passes(t, "by address", 3, g, "/both", fresh("ada", 0), from("192.0.2.1"))
	before, served := verifications(t, g), w.orders[0].Served()
	for n := range 10 {
		for what, field := range map[string]string{
			"a fresh token": fresh("ada", n+1), "a forged one": bearer(harness.NewKey(t, "EdDSA", "one").Token(person("ada"))),
			"nonsense": bearer("nonsense"), "none": "X-None: 1",
		} {
			if a := g.Get("/both", field, from("192.0.2.1")); a.Status != http.StatusTooManyRequests {
				t.Errorf("%s, once the address has spent its budget: %d", what, a.Status)
			}
		}
	}
	if after := verifications(t, g); after != before {
		t.Errorf("%v tokens were looked at for requests that the address had no budget for", after-before)
	}
	if now := w.orders[0].Served(); now != served {
		t.Errorf("%d of them reached the instance", now-served)
	}
	passes(t, "what is left to the person elsewhere", 2, g, "/both", fresh("ada", 100), from("192.0.2.2"))

	// What the person's budget refused cost the address's.
	passes(t, "an address whose first guest has no budget", 0, g, "/both", fresh("ada", 101), from("192.0.2.3"))
	passes(t, "the same address with another guest", 2, g, "/both", fresh("bob", 0), from("192.0.2.3"))
	// So did bad tokens: guessing has its price.
	for range 3 {
		rejected(t, "a guess", g.Get("/both", bearer("nonsense"), from("192.0.2.4")))
	}
	passes(t, "an address that guessed", 0, g, "/both", fresh("carol", 0), from("192.0.2.4"))

	// Neither bad tokens nor ones that lack a claim cost a person anything.
	for n := range 8 {
		if a := g.Get("/scoped", fresh("dan", n)); a.Status != http.StatusForbidden {
			t.Fatalf("without the scope: %d %s", a.Status, a.Body)
		}
		rejected(t, "a bad token", g.Get("/scoped", fresh("dan", n)+"A"))
	}
	admin := bearer(key.Token(person("dan").With("scope", "admin orders:read")))
	passes(t, "with the scope", 5, g, "/scoped", admin)
	// Once spent, the budget says nothing to those who may not know of it.
	if a := g.Get("/scoped", fresh("dan", 99)); a.Status != http.StatusForbidden || a.Header.Get("RateLimit") != "" {
		t.Errorf("without the scope, budget spent: %d, RateLimit %q", a.Status, a.Header.Get("RateLimit"))
	}
	// Only the person counts, not the token. Of a signature by ES256 anybody can
	// make a second one.
	token := key.Token(person("dan").With("scope", "admin").With("jti", "two"))
	passes(t, "a second token", 0, g, "/scoped", bearer(token))
	passes(t, "its twin", 0, g, "/scoped", bearer(resigned(token, func(signature []byte) []byte {
		s := new(big.Int).SetBytes(signature[32:])
		return append(slices.Clone(signature[:32]), s.Sub(elliptic.P256().Params().N, s).FillBytes(make([]byte, 32))...)
	})))
}
