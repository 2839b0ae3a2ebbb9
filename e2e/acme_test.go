//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// edge is a gateway that gets certificates by itself: a listener in clear and one by
// TLS.
type edge struct {
	*harness.Gateway
	clear, secure string // host:port
}

// edgePorts are of a listener in clear and of one by TLS.
type edgePorts struct{ clear, secure int }

func newEdgePorts(t *testing.T) edgePorts {
	t.Helper()
	ports, err := process.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	return edgePorts{ports[0], ports[1]}
}

// edgeOptions say what a gateway is like; the zero value asks for nothing.
type edgeOptions struct {
	ports            edgePorts
	dataDir          string
	acme             string // inside the acme block, besides where the server is
	tls              string // inside the tls block, besides that
	clear            string // inside the listener in clear
	consul, policies string
	consulBlock      string // inside the consul block
}

func startEdge(t *testing.T, p *harness.Pebble, o edgeOptions) *edge {
	t.Helper()
	e := &edge{clear: fmt.Sprintf("127.0.0.1:%d", o.ports.clear), secure: fmt.Sprintf("127.0.0.1:%d", o.ports.secure)}
	dataDir := ""
	if o.dataDir != "" {
		dataDir = fmt.Sprintf("data_dir = %q\n", o.dataDir)
	}
	orders := harness.StartInstance(t, "orders", "orders-1")
	if o.policies == "" {
		o.policies = ordersRoute
	}
	e.Gateway = harness.StartGateway(t, harness.Options{
		Consul:      o.consul,
		ConsulBlock: o.consulBlock,
		Policies:    o.policies,
		Config: fmt.Sprintf(`%slistener "clear" {
  address = %q
%s
}
listener "secure" {
  address = %q
  tls {
%s
    acme {
      directory_url = %q
      ca_file       = %q
      agree_tos     = true
%s
    }
  }
}
%s`, dataDir, e.clear, o.clear, e.secure, o.tls, p.Directory, p.CAFile, o.acme, staticService("orders", orders.Host, orders.Port)),
	})
	return e
}

// shown returns the certificate that a client is shown who asks for a name.
func (e *edge) shown(name string, roots *x509.CertPool) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", e.secure, &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// gets waits until a client who asks for a name can trust what it is shown.
func (e *edge) gets(t *testing.T, name string, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	var got *x509.Certificate
	harness.Within(t, 3*harness.Patience, "a certificate for "+name, func() (err error) { // a server that was down is asked again after 10 s, 20 s, 40 s
		got, err = e.shown(name, roots)
		return err
	})
	return got
}

// A gateway gets certificates by either challenge, keeps them where nobody else can
// read them, and has them again after a restart without another order.
func TestACME(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			ports, dir := newEdgePorts(t), filepath.Join(t.TempDir(), "data")
			p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: ports.clear, TLSPort: ports.secure})
			p.Start()
			roots := p.Roots()
			o := edgeOptions{
				ports: ports, dataDir: dir, clear: fmt.Sprintf("redirect_to_https = true\nredirect_port = %d", ports.secure),
				acme: fmt.Sprintf("domains = [\"shop.test\", \"www.shop.test\"]\nemail = \"ops@shop.test\"\nchallenges = [%q]", challenge),
			}
			e := startEdge(t, p, o)
			first := e.gets(t, "shop.test", roots)
			e.gets(t, "www.shop.test", roots)
			if n := p.Issued(); n != 2 {
				t.Errorf("%d certificates were issued, want 2", n)
			}
			private(t, dir, ".key")

			s := &secured{Gateway: e.Gateway}
			for _, http2 := range []bool{false, true} {
				client := s.client(t, http2, &tls.Config{RootCAs: roots, ServerName: "shop.test", MinVersion: tls.VersionTLS12}, "")
				if _, _, err := ask(client, "https://"+e.secure+"/orders"); err != nil {
					t.Errorf("HTTP/2 %t: %v", http2, err)
				}
			}
			if code := e.Stop(); code != 0 {
				t.Errorf("the gateway ended with %d", code)
			}
			p.Kill() // it is not needed for what is there
			again := startEdge(t, p, o).gets(t, "shop.test", roots)
			if again.SerialNumber.Cmp(first.SerialNumber) != 0 {
				t.Errorf("after a restart the certificate is another")
			}
		})
	}
}

// A gateway that died when it had replaced the key of a certificate, and not the
// certificate yet, orders another when it starts again.
func TestACMETornPair(t *testing.T) {
	t.Parallel()
	ports, dir := newEdgePorts(t), filepath.Join(t.TempDir(), "data")
	p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: ports.clear, TLSPort: ports.secure})
	p.Start()
	roots := p.Roots()
	o := edgeOptions{ports: ports, dataDir: dir, acme: `domains = ["shop.test", "www.shop.test"]`}
	e := startEdge(t, p, o)
	first, other := e.gets(t, "shop.test", roots), e.gets(t, "www.shop.test", roots)
	e.Stop()
	key, err := os.ReadFile(fileNamed(t, dir, "www.shop.test.key"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, fileNamed(t, dir, "shop.test.key"), key)
	e = startEdge(t, p, o)
	if again := e.gets(t, "shop.test", roots); again.SerialNumber.Cmp(first.SerialNumber) == 0 {
		t.Error("the certificate goes with a key that was replaced")
	}
	if again := e.gets(t, "www.shop.test", roots); again.SerialNumber.Cmp(other.SerialNumber) != 0 {
		t.Error("another domain's certificate was replaced, too")
	}
	if n := p.Issued(); n != 3 {
		t.Errorf("%d certificates were issued, want 3", n)
	}
}

// fileNamed returns the path of the one file of that name below a folder.
func fileNamed(t *testing.T, dir, name string) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() == name {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) != 1 {
		t.Fatalf("files named %s below %s: %q, %v", name, dir, found, err)
	}
	return found[0]
}

// private checks that others may read nothing below a folder, where there are files
// whose names end so.
func private(t *testing.T, dir, suffix string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !d.IsDir() && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		if strings.HasSuffix(path, suffix) {
			found++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found == 0 {
		t.Errorf("no %s is kept", suffix)
	}
}

// A certificate is replaced before it ends, and the gateway serves by TLS all the
// time.
func TestACMERenewal(t *testing.T) {
	t.Parallel()
	ports := newEdgePorts(t)
	p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: ports.clear, TLSPort: ports.secure, Life: 45 * time.Second})
	p.Start()
	roots := p.Roots()
	e := startEdge(t, p, edgeOptions{ports: ports, dataDir: t.TempDir(), acme: `domains = ["shop.test"]`})
	first := e.gets(t, "shop.test", roots)
	harness.Within(t, time.Until(first.NotAfter)+harness.Patience, "another certificate", func() error {
		now, err := e.shown("shop.test", roots) // an error before the end fails below
		if err == nil && now.SerialNumber.Cmp(first.SerialNumber) == 0 {
			err = fmt.Errorf("still the first one")
		}
		return err
	})

	// One that can't be replaced stays, and why is said.
	p.Kill()
	last := e.gets(t, "shop.test", roots)
	harness.Within(t, time.Until(last.NotAfter)+harness.Patience, "a warning", func() error {
		if !e.Log.Contains("certificate can't be renewed, the previous one stays") {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	c, err := tls.Dial("tcp", e.secure, &tls.Config{InsecureSkipVerify: true, ServerName: "shop.test"}) // it may have expired by now
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.ConnectionState().PeerCertificates[0].SerialNumber; got.Cmp(last.SerialNumber) != 0 {
		t.Errorf("certificate %x is shown, want the last one, %x", got, last.SerialNumber)
	}
}

// An ACME server that is down does not keep a gateway from serving what it has, and
// is asked again.
func TestACMEServerDown(t *testing.T) {
	t.Parallel()
	ports, dir := newEdgePorts(t), t.TempDir()
	own := newAuthority(t)
	cert, key := own.issue(7, "own.test")
	write(t, filepath.Join(dir, "own.pem"), cert)
	write(t, filepath.Join(dir, "own.key"), key)
	p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: ports.clear, TLSPort: ports.secure})
	e := startEdge(t, p, edgeOptions{
		ports: ports, dataDir: filepath.Join(dir, "data"), acme: `domains = ["shop.test"]`,
		tls: fmt.Sprintf("certificate {\ncert_file = %q\nkey_file = %q\n}", filepath.Join(dir, "own.pem"), filepath.Join(dir, "own.key")),
	})
	e.gets(t, "own.test", own.pool)
	harness.Within(t, harness.Patience, "a warning", func() error {
		if !e.Log.Contains("certificate can't be obtained") {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	if r := e.Run("validate", filepath.Join(e.Dir, "lictor.hcl")); r.Code != 0 {
		t.Errorf("validate: %+v", r)
	}
	p.Start()
	e.gets(t, "shop.test", p.Roots())
	e.gets(t, "own.test", own.pool)
}

// Nobody is answered who asks for a token that is not pending: the route is, and what
// it has.
func TestACMEChallengePathIsRouted(t *testing.T) {
	t.Parallel()
	ports := newEdgePorts(t)
	p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: ports.clear, TLSPort: ports.secure})
	p.Start()
	e := startEdge(t, p, edgeOptions{
		ports: ports, dataDir: t.TempDir(), acme: `domains = ["shop.test"]`, policies: "route \"orders\" {\n  service = \"orders\"\n}\n",
	})
	e.gets(t, "shop.test", p.Roots())
	echo, _, err := ask((&secured{}).client(t, false, nil, ""), "http://"+e.clear+"/.well-known/acme-challenge/abc")
	if err != nil || echo.RequestURI != "/.well-known/acme-challenge/abc" {
		t.Errorf("%+v, %v", echo, err)
	}
}

// Gateways that keep their certificates in Consul share them: one order for all, an
// answer from whichever is asked, and no second order after a restart.
func TestACMEFleet(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsul(t)
	one, two := newEdgePorts(t), newEdgePorts(t)
	p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: one.clear, TLSPort: one.secure})
	p.Start()
	roots := p.Roots()
	o := edgeOptions{consul: consul.Address(), acme: "kv_prefix = \"lictor/acme/\"\ndomains = [\"shop.test\"]", ports: one}
	first := startEdge(t, p, o)
	o.ports = two
	second := startEdge(t, p, o)
	if a, b := first.gets(t, "shop.test", roots), second.gets(t, "shop.test", roots); a.SerialNumber.Cmp(b.SerialNumber) != 0 {
		t.Errorf("they show certificates %x and %x", a.SerialNumber, b.SerialNumber)
	}
	if n := p.Issued(); n != 1 {
		t.Errorf("%d certificates were issued, want 1", n)
	}

	// The ACME server asks the first one alone. Here the other one orders.
	for _, challenge := range []string{"http-01", "tls-alpn-01"} {
		domain := challenge + ".test"
		ports := newEdgePorts(t)
		third := startEdge(t, p, edgeOptions{
			consul: consul.Address(), ports: ports,
			acme: fmt.Sprintf("kv_prefix = \"lictor/acme/\"\ndomains = [%q]\nchallenges = [%q]", domain, challenge),
		})
		third.gets(t, domain, roots)
		third.Stop()
	}
	if n := p.Issued(); n != 3 {
		t.Errorf("%d certificates were issued, want 3", n)
	}

	if code := second.Stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	p.Kill()
	startEdge(t, p, o).gets(t, "shop.test", roots)
}
