//go:build e2e

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// documentedRules are the ACL rules that docs/tls.md names for certificates in Consul.
func documentedRules(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "tls.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```text\nkey_prefix")
	block, _, found := strings.Cut("key_prefix"+rest, "\n```")
	if !found {
		t.Fatal("docs/tls.md names no rules")
	}
	var rules []string
	for line := range strings.Lines(block) {
		rules = append(rules, strings.Join(strings.Fields(line), " "))
	}
	return rules
}

// A gateway whose token has the rules that the guide names, and no others, gets its
// certificates. One that lacks one of them says which, and gets them when it is given.
func TestACMERights(t *testing.T) {
	t.Parallel()
	consul, rules := startDenying(t, nil), documentedRules(t)
	if len(rules) != 2 {
		t.Fatalf("docs/tls.md names %q", rules)
	}
	readOnly := strings.Replace(rules[0], "write", "read", 1)
	for name, c := range map[string]struct{ has, missing string }{
		"all":                     {strings.Join(rules, "\n"), ""},
		"nothing":                 {"", rules[0]},
		"no keys":                 {rules[1], rules[0]},
		"keys to read alone":      {readOnly + "\n" + rules[1], rules[0]},
		"no sessions":             {rules[0], rules[1]},
		"sessions to read alone":  {rules[0] + "\n" + strings.Replace(rules[1], "write", "read", 1), rules[1]},
		"keys elsewhere to write": {strings.Replace(rules[0], "acme", "elsewhere", 1) + "\n" + rules[1], rules[0]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := denying{consul.Consul, t}
			domain := strings.ReplaceAll(name, " ", "-") + ".test"
			policy := mine.policy("", strings.ReplaceAll(name, " ", "-"), c.has)
			secret, _ := mine.token(policy)
			file := filepath.Join(t.TempDir(), "token")
			write(t, file, []byte(secret))
			ports := newEdgePorts(t)
			p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: ports.clear, TLSPort: ports.secure})
			p.Start()
			e := startEdge(t, p, edgeOptions{
				ports: ports, consul: consul.Address(), consulBlock: fmt.Sprintf("token_file = %q", file),
				acme: fmt.Sprintf("kv_prefix = \"lictor/acme/\"\ndomains = [%q]", domain),
			})
			if c.missing != "" {
				harness.Within(t, harness.Patience, "the log names the rule", func() error {
					if !e.Log.Contains("certificate can't be obtained") || !strings.Contains(strings.ReplaceAll(e.Log.String(), `\"`, `"`), c.missing) {
						return fmt.Errorf("there is no %s", c.missing)
					}
					return nil
				})
				if n := p.Issued(); n != 0 {
					t.Errorf("%d certificates were issued", n)
				}
				mine.policy(policy, strings.ReplaceAll(name, " ", "-"), strings.Join(rules, "\n"))
			}
			e.gets(t, domain, p.Roots())
			if c.missing == "" && e.Log.Contains("can't be") {
				t.Error("the log tells of something that can't be")
			}
		})
	}
}

// A gateway of a fleet that starts while Consul is away serves by the certificates of
// before, and goes on by those in Consul when it is back.
func TestACMEConsulAway(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsulServer(t)
	ports, dir := newEdgePorts(t), filepath.Join(t.TempDir(), "data")
	p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: ports.clear, TLSPort: ports.secure})
	p.Start()
	roots := p.Roots()
	o := edgeOptions{ports: ports, dataDir: dir, consul: consul.Address(), acme: "kv_prefix = \"lictor/acme/\"\ndomains = [\"shop.test\"]"}
	e := startEdge(t, p, o)
	first := e.gets(t, "shop.test", roots)
	if code := e.Stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	private(t, filepath.Join(dir, "acme-copies"), "shop.test.pem")
	p.Kill() // it is not needed for what is there
	consul.Kill()

	e = startEdge(t, p, o)
	if got, err := e.shown("shop.test", roots); err != nil || got.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Errorf("while Consul is away: %v, want certificate %x", err, first.SerialNumber)
	}
	s := &secured{Gateway: e.Gateway}
	if _, _, err := ask(s.client(t, true, &tls.Config{RootCAs: roots, ServerName: "shop.test", MinVersion: tls.VersionTLS12}, ""), "https://"+e.secure+"/orders"); err != nil {
		t.Errorf("while Consul is away: %v", err)
	}
	if !e.Log.Contains("certificate taken from its copy in data_dir") {
		t.Error("the log does not say whence the certificate is")
	}
	failing := func() (string, error) {
		var all struct {
			Certificates []struct{ Error string }
		}
		status, body, err := e.AdminGet("/v1/certificates")
		if err != nil || status != http.StatusOK || json.Unmarshal(body, &all) != nil || len(all.Certificates) != 1 {
			return "", fmt.Errorf("%d %w %s", status, err, body)
		}
		return all.Certificates[0].Error, nil
	}
	harness.Within(t, harness.Patience, "it is said that Consul is away", func() error {
		why, err := failing()
		if err == nil && !strings.Contains(why, "Consul's KV store") {
			err = fmt.Errorf("it is said %q", why)
		}
		return err
	})
	consul.Restart(false)
	harness.Within(t, 3*harness.Patience, "all is well again", func() error {
		why, err := failing()
		if err == nil && why != "" {
			err = fmt.Errorf("it is said %q", why)
		}
		return err
	})
	if got, err := e.shown("shop.test", roots); err != nil || got.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Errorf("when Consul is back: %v, want certificate %x", err, first.SerialNumber)
	}
	if code := e.Stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
}
