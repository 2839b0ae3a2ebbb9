//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// pem returns the authority's own certificate.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue returns a certificate for a name, and its key, in PEM. The serial number
// tells certificates apart.
func (a *authority) issue(serial int64, name string) (cert, key []byte) {
	a.t.Helper()
	k := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// write puts a file into place at once, as deployments do.
func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// secured is a gateway by TLS as secure.test, in front of one static instance.
type secured struct {
	*harness.Gateway
	authority *authority
	orders    *harness.Instance
	dir       string // of tls.pem and tls.key
}

// newSecured starts one. Listener is added to its block, and TLS to the block in
// that.
func newSecured(t *testing.T, listener, tlsBlock string) *secured {
	t.Helper()
	return newSecuredWith(t, harness.Options{}, listener, tlsBlock)
}

// newSecuredWith is newSecured with more options.
func newSecuredWith(t *testing.T, o harness.Options, listener, tlsBlock string) *secured {
	t.Helper()
	s := &secured{authority: newAuthority(t), dir: t.TempDir()}
	s.show(t, 100)
	write(t, filepath.Join(s.dir, "ca.pem"), s.authority.pem())
	s.orders = harness.StartInstance(t, "orders", "orders-1")
	s.Gateway = s.start(t, o, listener, tlsBlock)
	return s
}

// start runs a gateway with the certificate and the instance, besides what the options
// say.
func (s *secured) start(t *testing.T, o harness.Options, listener, tlsBlock string) *harness.Gateway {
	t.Helper()
	o.Listener = fmt.Sprintf("%s\ntls {\ncertificate {\ncert_file = %q\nkey_file = %q\n}\n%s\n}\n", listener,
		filepath.Join(s.dir, "tls.pem"), filepath.Join(s.dir, "tls.key"), strings.ReplaceAll(tlsBlock, "DIR", s.dir))
	o.Config += staticService("orders", s.orders.Host, s.orders.Port)
	o.Policies += ordersRoute
	return harness.StartGateway(t, o)
}

// staticService is the block of a service that Consul does not know.
func staticService(name, host string, port int) string {
	return fmt.Sprintf("service %q {\ninstance {\naddress = %q\nport = %d\n}\n}\n", name, host, port)
}

// show writes a certificate with that serial number, and its key.
func (s *secured) show(t *testing.T, serial int64) {
	t.Helper()
	cert, key := s.authority.issue(serial, "secure.test")
	write(t, filepath.Join(s.dir, "tls.pem"), cert)
	write(t, filepath.Join(s.dir, "tls.key"), key)
}

// config is that of a client.
func (s *secured) config() *tls.Config {
	return &tls.Config{RootCAs: s.authority.pool, ServerName: "secure.test", MinVersion: tls.VersionTLS12}
}

// client has connections of its own. Prelude is written before each handshake.
func (s *secured) client(t *testing.T, http2 bool, config *tls.Config, prelude string) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: config, MaxIdleConnsPerHost: 100}
	if prelude != "" {
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				_, err = io.WriteString(c, prelude)
			}
			return c, err
		}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: harness.Patience}
}

// serial returns which certificate a new connection is shown.
func (s *secured) serial() (int64, error) {
	c, err := tls.Dial("tcp", s.Public, s.config())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

// shows checks that new connections are shown the certificate.
func (s *secured) shows(serial int64) func() error {
	return func() error {
		got, err := s.serial()
		if err == nil && got != serial {
			err = fmt.Errorf("certificate %d", got)
		}
		return err
	}
}

func ask(client *http.Client, url string) (harness.Echo, *http.Response, error) {
	response, err := client.Get(url) //nolint:noctx // the client has a timeout
	if err != nil {
		return harness.Echo{}, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return harness.Echo{}, response, fmt.Errorf("%s %q: %w", response.Status, body, err)
	}
	echo, err := harness.ParseEcho(body)
	return echo, response, err
}

func TestHTTPS(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "", "")
	for _, c := range []struct {
		http2 bool
		want  string
	}{{false, "HTTP/1.1"}, {true, "HTTP/2.0"}} {
		echo, response, err := ask(s.client(t, c.http2, s.config(), ""), "https://"+s.Public+"/orders")
		if err != nil {
			t.Fatalf("%s: %v", c.want, err)
		}
		if response.Proto != c.want {
			t.Errorf("%s instead of %s", response.Proto, c.want)
		}
		if got := echo.Header.Get("X-Forwarded-Proto"); got != "https" {
			t.Errorf("%s: X-Forwarded-Proto %q", c.want, got)
		}
	}
}

// Certificates are replaced while clients keep their connections busy and others
// come: none of them fails, and the new certificate is shown.
func TestCertificateRotation(t *testing.T) {
	t.Parallel()
	// One connection waits through all of this before it sends a byte.
	s := newSecured(t, "read_header_timeout = \"10m\"", "")
	stopped := make(chan struct{})
	stop := sync.OnceFunc(func() { close(stopped) })
	var work sync.WaitGroup
	t.Cleanup(func() { // before the gateway ends
		stop()
		work.Wait()
	})
	var asked atomic.Int64
	for n := range 8 {
		client := s.client(t, n%2 == 0, s.config(), "")
		client.Transport.(*http.Transport).DisableKeepAlives = n >= 6
		work.Go(func() {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				if _, _, err := ask(client, "https://"+s.Public+"/orders"); err != nil {
					t.Errorf("client %d: %v", n, err)
					return
				}
				asked.Add(1)
				select {
				case <-stopped:
					return
				case <-tick.C:
				}
			}
		})
	}
	kept, err := tls.Dial("tcp", s.Public, s.config()) // open all the time, and idle
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()

	s.show(t, 101)
	harness.Within(t, harness.Patience, "the watched files' certificate is shown", s.shows(101))
	s.show(t, 102)
	s.Reload()
	if err := s.shows(102)(); err != nil {
		t.Errorf("after a reload: %v", err)
	}

	write(t, filepath.Join(s.dir, "tls.key"), []byte("nonsense"))
	harness.Within(t, harness.Patience, "the broken pair is reported", func() error {
		if !s.Log.Contains("certificate refused") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if err := s.shows(102)(); err != nil {
		t.Errorf("with a broken pair: %v", err)
	}
	if r := s.Run("reload"); r.Code != 1 || !strings.Contains(r.Stdout+r.Stderr, "tls.key") {
		t.Errorf("a reload with a broken pair: exit code %d, %s", r.Code, r.Stdout+r.Stderr)
	}
	s.show(t, 103)
	harness.Within(t, harness.Patience, "the mended pair is shown", s.shows(103))

	// Other files altogether need no restart either.
	cert, key := s.authority.issue(104, "secure.test")
	write(t, filepath.Join(s.dir, "other.pem"), append(cert, key...))
	config := filepath.Join(s.Dir, "lictor.hcl")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, []byte(strings.NewReplacer("/tls.pem", "/other.pem", "/tls.key", "/other.pem").Replace(string(text))))
	s.Reload()
	if err := s.shows(104)(); err != nil {
		t.Errorf("after a reload with other files: %v", err)
	}

	harness.Within(t, harness.Patience, "enough has been asked for", func() error {
		if n := asked.Load(); n < 100 && !t.Failed() {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
	stop()
	work.Wait()
	if _, err := io.WriteString(kept, "GET /orders HTTP/1.1\r\nHost: secure.test\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(kept); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("the connection from before: %v, %.100q", err, answer)
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "", "client_ca_file = \"DIR/ca.pem\"\nmin_version = \"1.3\"")
	s.WritePolicies(ordersRoute + `
limit "token_bucket" "per_client" {
  rate  = "1/h"
  burst = 1
  key   = [client.cert]
}
defaults {
  limits = ["per_client"]
}
`)
	s.Reload()
	url := "https://" + s.Public + "/orders"
	if _, _, err := ask(s.client(t, false, s.config(), ""), url); err == nil {
		t.Error("a client without a certificate was served")
	}
	old := s.config()
	old.MaxVersion = tls.VersionTLS12
	for serial := int64(1); serial <= 2; serial++ {
		pair, err := tls.X509KeyPair(s.authority.issue(serial, "client"))
		if err != nil {
			t.Fatal(err)
		}
		config := s.config()
		config.Certificates, old.Certificates = []tls.Certificate{pair}, []tls.Certificate{pair}
		client := s.client(t, true, config, "")
		if _, _, err := ask(client, url); err != nil {
			t.Errorf("client %d: %v", serial, err)
		}
		if _, response, err := ask(client, url); err == nil || response == nil || response.StatusCode != http.StatusTooManyRequests {
			t.Errorf("client %d has a budget of one, but: %v", serial, err)
		}
	}
	if _, _, err := ask(s.client(t, false, old, ""), url); err == nil {
		t.Error("a client with TLS 1.2 was served")
	}
}

func TestProxyProtocolBeforeTLS(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "trusted_proxies = [\"127.0.0.1\"]\nproxy_protocol = \"required\"", "")
	url := "https://" + s.Public + "/orders"
	for prelude, want := range map[string]string{
		"PROXY TCP4 203.0.113.7 192.0.2.1 4321 443\r\n": "203.0.113.7",
		"PROXY UNKNOWN\r\n":                             "127.0.0.1",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x08\xc0\x00\x02\x01\x10\xe1\x01\xbb": "203.0.113.8",
		"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00":                                                 "127.0.0.1",
	} {
		for _, http2 := range []bool{false, true} {
			echo, _, err := ask(s.client(t, http2, s.config(), prelude), url)
			if err != nil {
				t.Errorf("%q: %v", prelude, err)
				continue
			}
			if got := echo.Header.Get("X-Forwarded-For"); got != want {
				t.Errorf("%q: X-Forwarded-For %q instead of %q", prelude, got, want)
			}
		}
	}
	if _, _, err := ask(s.client(t, false, s.config(), ""), url); err == nil {
		t.Error("a connection without a header was served")
	}
	slow := s.Dial() // which holds up nobody
	if _, err := io.WriteString(slow, "PROXY TCP4 "); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ask(s.client(t, true, s.config(), "PROXY UNKNOWN\r\n"), url); err != nil {
		t.Errorf("beside a slow header: %v", err)
	}
}

// A header from someone who is not trusted is malformed HTTP, and so forges
// nothing.
func TestProxyProtocolFromStrangers(t *testing.T) {
	t.Parallel()
	const header, request = "PROXY TCP4 203.0.113.7 192.0.2.1 4321 80\r\n", "GET /orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	orders := harness.StartInstance(t, "orders", "orders-1")
	gateway := func(mode string) *harness.Gateway {
		return harness.StartGateway(t, harness.Options{
			Listener: "trusted_proxies = [\"192.0.2.0/24\"]\nproxy_protocol = \"" + mode + "\"",
			Config:   staticService("orders", orders.Host, orders.Port), Policies: ordersRoute,
		})
	}
	optional := gateway("optional")
	if a := optional.Raw(header + request); a.Status != http.StatusBadRequest {
		t.Errorf("a forged header: %d %s", a.Status, a.Body)
	}
	if a := optional.Raw(request); a.Status != http.StatusOK {
		t.Errorf("no header: %d %s", a.Status, a.Body)
	}
	required := gateway("required").Dial()
	if _, err := io.WriteString(required, header+request); err != nil {
		t.Fatal(err)
	}
	if answer, _ := io.ReadAll(required); len(answer) > 0 {
		t.Errorf("a stranger was answered: %q", answer)
	}
}

func TestUpstreamTLS(t *testing.T) {
	t.Parallel()
	inner := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.ServerName)
	}))
	inner.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that the gateway breaks off
	inner.StartTLS()
	t.Cleanup(inner.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: inner.Certificate().Raw}))
	address := inner.Listener.Addr().(*net.TCPAddr)
	route := func(block string) string {
		return "route \"inner\" {\nservice = \"inner\"\nupstream_tls {\n" + block + "\n}\n}\n"
	}
	good := fmt.Sprintf("ca_file = %q\nserver_name = \"example.com\"", ca)
	g := harness.StartGateway(t, harness.Options{Config: staticService("inner", address.IP.String(), address.Port), Policies: route(good)})
	if a := g.Get("/"); a.Status != http.StatusOK || string(a.Body) != "example.com" {
		t.Errorf("%d %q", a.Status, a.Body)
	}
	for _, block := range []string{
		"server_name = \"example.com\"", // by the system's authorities
		fmt.Sprintf("ca_file = %q\nserver_name = \"other.test\"", ca),
	} {
		g.WritePolicies(route(block))
		g.Reload()
		if a := g.Get("/"); a.Status != http.StatusBadGateway || a.Problem(t).Type != problemType("instance-refused") {
			t.Errorf("%s: %d %s", block, a.Status, a.Body)
		}
	}
	g.WritePolicies(route(good))
	g.Reload()
	harness.Within(t, harness.Patience, "the right authority serves again", func() error {
		a, err := g.Try(http.MethodGet, "/", nil)
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%d %s", a.Status, a.Body)
		}
		return err
	})
}
