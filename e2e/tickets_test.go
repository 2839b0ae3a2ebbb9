//go:build e2e && unix

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/lictor/lictor/e2e/harness"
)

// secretLine is a new secret of session tickets, as a file has it.
func secretLine() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.StdEncoding.EncodeToString(b) + "\n"
}

// sharers are gateways with one certificate, each with a file of secrets.
type sharers struct {
	*secured
	secrets string // is written to the file of each
}

func newSharers(t *testing.T) *sharers {
	t.Helper()
	f := &sharers{&secured{authority: newAuthority(t), dir: t.TempDir()}, secretLine()}
	f.show(t, 100)
	write(t, filepath.Join(f.dir, "ca.pem"), f.authority.pem())
	f.orders = harness.StartInstance(t, "orders", "orders-1")
	return f
}

// sharing starts a gateway whose file of secrets holds the text.
func (f *sharers) sharing(t *testing.T, o harness.Options, listener, secrets string) (g *harness.Gateway, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "tickets.secrets")
	write(t, file, []byte(secrets))
	return f.start(t, o, listener, fmt.Sprintf("session_ticket_key_file = %q\n", file)), file
}

// visitor is a client that keeps its sessions.
func (f *sharers) visitor(version uint16) *tls.Config {
	c := f.config()
	c.MinVersion, c.MaxVersion, c.ClientSessionCache = version, version, tls.NewLRUClientSessionCache(1)
	return c
}

// resumed reports whether a new connection goes on with the visitor's session.
func (f *sharers) resumed(t *testing.T, g *harness.Gateway, visitor *tls.Config, http2 bool) bool {
	t.Helper()
	client := f.client(t, http2, visitor, "")
	defer client.CloseIdleConnections() // a process that leaves would wait for them
	_, response, err := ask(client, "https://"+g.Public+"/orders")
	if err != nil {
		t.Fatal(err)
	}
	return response.TLS.DidResume
}

var tlsVersions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// A session of one gateway goes on at another with the same secret, and nowhere else.
func TestSessionsAcrossGateways(t *testing.T) {
	t.Parallel()
	f := newSharers(t)
	one, _ := f.sharing(t, harness.Options{}, "", f.secrets)
	two, _ := f.sharing(t, harness.Options{}, "", f.secrets)
	other, _ := f.sharing(t, harness.Options{}, "", secretLine())
	none := f.start(t, harness.Options{}, "", "")
	for _, version := range tlsVersions {
		for _, c := range []struct {
			what     string
			from, to *harness.Gateway
			want     bool
		}{
			{"the same gateway", one, one, true},
			{"another with the same secret", one, two, true},
			{"one with another secret", one, other, false},
			{"one without a secret", one, none, false},
			{"from there", none, one, false},
			{"the same gateway without a secret", none, none, true},
		} {
			visitor := f.visitor(version)
			if f.resumed(t, c.from, visitor, false) {
				t.Fatal("the first connection resumed something")
			}
			if got := f.resumed(t, c.to, visitor, true); got != c.want {
				t.Errorf("%s, %s: resumed %t", tls.VersionName(version), c.what, got)
			}
			if got := f.reused(t, version, c.from, c.to); got != c.want {
				t.Errorf("OpenSSL, %s, %s: resumed %t", tls.VersionName(version), c.what, got)
			}
		}
	}
	for session, want := range map[string]float64{"new": 0, "resumed": 4} {
		if n := two.Metric(t, "lictor_tls_handshakes_total", "listener=public", "session="+session); n != want {
			t.Errorf("the other gateway counts %v sessions that are %s, not %v", n, session, want)
		}
	}
}

// reused reports whether OpenSSL's session of one gateway goes on at another.
func (f *sharers) reused(t *testing.T, version uint16, from, to *harness.Gateway) bool {
	t.Helper()
	session := filepath.Join(t.TempDir(), "session.pem")
	visit := func(g *harness.Gateway, option string) (reused bool) {
		flag := map[uint16]string{tls.VersionTLS12: "-tls1_2", tls.VersionTLS13: "-tls1_3"}[version]
		lines := run(t, strings.NewReader("GET /orders HTTP/1.1\r\nHost: secure.test\r\nConnection: close\r\n\r\n"), harness.Program(t, "openssl", "openssl"),
			"s_client", "-connect", g.Public, "-servername", "secure.test", "-CAfile", filepath.Join(f.dir, "ca.pem"), "-verify_return_error",
			flag, "-ign_eof", option, session)
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "HTTP/1.1 200") }) {
			t.Fatalf("no answer: %q", lines)
		}
		word := "" // the first: a ticket that comes in TLS 1.3 is told of by the same line
		for _, l := range lines {
			if first, _, ok := strings.Cut(l, ", TLSv1."); ok && word == "" {
				word = first
			}
		}
		if word != "New" && word != "Reused" {
			t.Fatalf("it says of the session %q: %q", word, lines)
		}
		return word == "Reused"
	}
	if visit(from, "-sess_out") {
		t.Fatal("OpenSSL's first connection resumed something")
	}
	return visit(to, "-sess_in")
}

// Sessions outlive the process: one that takes over, and one that comes later.
func TestSessionsOutliveProcesses(t *testing.T) {
	t.Parallel()
	f := newSharers(t)
	g, file := f.sharing(t, harness.Options{Upgradable: true}, "", f.secrets)
	visitors := map[uint16]*tls.Config{}
	for _, version := range tlsVersions {
		visitors[version] = f.visitor(version)
		f.resumed(t, g, visitors[version], false)
	}
	<-g.Upgrade().Done()
	for _, version := range tlsVersions {
		if !f.resumed(t, g, visitors[version], false) {
			t.Errorf("%s: lost by an upgrade", tls.VersionName(version))
		}
	}
	g.Stop()
	g = f.start(t, harness.Options{}, "", fmt.Sprintf("session_ticket_key_file = %q\n", file))
	for _, version := range tlsVersions {
		if !f.resumed(t, g, visitors[version], false) {
			t.Errorf("%s: lost by a restart", tls.VersionName(version))
		}
	}
}

// A secret is replaced in steps, while the gateways run.
func TestSessionSecretRotation(t *testing.T) {
	t.Parallel()
	f := newSharers(t)
	before, after := f.secrets, secretLine()
	var gateways [2]*harness.Gateway
	var files [2]string
	for i := range gateways {
		gateways[i], files[i] = f.sharing(t, harness.Options{}, "", before)
	}
	one, two := gateways[0], gateways[1]
	replaced := func(i, times int) {
		t.Helper()
		harness.Within(t, harness.Patience, "the secrets are taken over", func() error {
			if n := gateways[i].Log.Count("secrets of session tickets replaced"); n < times {
				return fmt.Errorf("%d times so far", n)
			}
			return nil
		})
	}
	leaving, staying := f.visitor(tls.VersionTLS13), f.visitor(tls.VersionTLS13)
	f.resumed(t, one, leaving, false)
	f.resumed(t, one, staying, false)

	for i, file := range files { // all know the new one before one seals by it
		write(t, file, []byte(before+after))
		replaced(i, 1)
	}
	write(t, files[0], []byte(after+before))
	replaced(0, 2)
	if !f.resumed(t, one, staying, false) || !f.resumed(t, two, staying, false) || !f.resumed(t, one, staying, false) {
		t.Error("a session is lost while the secret is replaced")
	}
	write(t, files[0], []byte(after))
	replaced(0, 3)
	if !f.resumed(t, one, staying, false) {
		t.Error("a session that came in between is lost with the old secret")
	}
	if f.resumed(t, one, leaving, false) {
		t.Error("a session of the old secret is still resumed")
	}

	write(t, files[0], []byte("nothing of the kind\n"))
	harness.Within(t, harness.Patience, "the log tells of the broken file", func() error {
		if !one.Log.Contains("the previous ones stay") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	if !f.resumed(t, one, staying, false) {
		t.Error("a broken file ends sessions")
	}
	for _, secret := range []string{before, after} {
		if one.Log.Contains(strings.TrimSpace(secret)) {
			t.Error("a secret is in the log")
		}
		if _, config, err := one.AdminGet("/v1/config"); err != nil || strings.Contains(string(config), strings.TrimSpace(secret)) {
			t.Errorf("a secret is in /v1/config, or it can't be read: %v", err)
		}
	}
}

// Without a secret, neither a reload nor another certificate ends a session.
func TestSessionsOutliveReloads(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "http3 = true", "")
	f := &sharers{secured: s}
	overQUIC := newTicketed(s.config())
	url := "https://" + s.Public + "/orders"
	if _, _, err := ask(s.overQUIC(t, overQUIC.config), url); err != nil {
		t.Fatal(err)
	}
	overQUIC.wait(t)
	visitors := map[uint16]*tls.Config{}
	for _, version := range tlsVersions {
		visitors[version] = f.visitor(version)
		f.resumed(t, s.Gateway, visitors[version], false)
	}
	s.show(t, 101)
	s.Reload()
	for _, version := range tlsVersions {
		if !f.resumed(t, s.Gateway, visitors[version], false) {
			t.Errorf("%s: lost", tls.VersionName(version))
		}
	}
	if _, response, err := ask(s.overQUIC(t, overQUIC.config), url); err != nil || !response.TLS.DidResume {
		t.Errorf("HTTP/3: lost, or %v", err)
	}
}

// ticketed is a client that tells when it gets a ticket, which by QUIC comes at any time.
type ticketed struct {
	tls.ClientSessionCache
	config *tls.Config
	got    chan struct{}
}

func newTicketed(config *tls.Config) *ticketed {
	c := &ticketed{ClientSessionCache: tls.NewLRUClientSessionCache(1), config: config, got: make(chan struct{}, 100)}
	config.ClientSessionCache = c
	return c
}

func (c *ticketed) Put(key string, s *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, s)
	if s != nil {
		c.got <- struct{}{}
	}
}

func (c *ticketed) wait(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	select {
	case <-c.got:
	case <-ctx.Done():
		t.Fatal("no ticket came")
	}
}

// By HTTP/3 a session goes on at another gateway. What a client sends along with its
// first datagram is answered there, too, but never as early data, which could come
// from somebody else.
func TestEarlyDataAcrossGateways(t *testing.T) {
	t.Parallel()
	f := newSharers(t)
	one, _ := f.sharing(t, harness.Options{}, "http3 = true\nearly_data = true", f.secrets)
	two, _ := f.sharing(t, harness.Options{}, "http3 = true\nearly_data = true", f.secrets)
	client := newTicketed(f.config())
	if _, _, err := ask(f.overQUIC(t, client.config), "https://"+one.Public+"/orders"); err != nil {
		t.Fatal(err)
	}
	client.wait(t)
	request, err := http.NewRequestWithContext(t.Context(), http3.MethodGet0RTT, "https://"+two.Public+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := f.overQUIC(t, client.config).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	echo, err := harness.ParseEcho(body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || echo.Header.Get("Early-Data") != "" {
		t.Errorf("%s, and the instance saw Early-Data %q", response.Status, echo.Header.Get("Early-Data"))
	}
	if n := two.Metric(t, "lictor_tls_handshakes_total", "listener=public", "session=resumed"); n != 1 {
		t.Errorf("%v sessions were resumed", n)
	}
}
