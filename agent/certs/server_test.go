package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// logText collects log lines.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was logged since the last take.
func (l *logText) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.b.String()
	l.b.Reset()
	return s
}

func (l *logText) logger() hclog.Logger { return hclog.New(&hclog.LoggerOptions{Output: l}) }

// handshake lets a client meet a server, and returns both sides' states. The
// error is the client's, or else the server's.
func handshake(t *testing.T, s, c *tls.Config) (client, server tls.ConnectionState, err error) {
	t.Helper()
	near, far := tcpPipe(t)
	served := make(chan error, 1)
	srv := tls.Server(far, s)
	go func() {
		_, err := io.WriteString(srv, "hello") // handshakes first
		served <- err
		far.Close()
	}()
	cli := tls.Client(near, c)
	_, err = io.ReadAll(cli) // takes session tickets too
	if failed := <-served; failed != nil && err == nil {
		err = failed
	}
	return cli.ConnectionState(), srv.ConnectionState(), err
}

// tcpPipe returns the ends of a loopback connection.
func tcpPipe(t *testing.T) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if near, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func newTestServer(t *testing.T, spec ServerSpec, log hclog.Logger) *Server {
	t.Helper()
	set, err := LoadServer(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	return NewServer(set, log)
}

func TestServerRotation(t *testing.T) {
	a, f, log := newAuthority(t, "a"), newFiles(t), &logText{}
	cert, key := a.issue(ecKey(t), 90*24*time.Hour, "one.example.com")
	one := f.pair("one", cert, key)
	cert, key = a.issue(ecKey(t), 90*24*time.Hour, "two.example.com")
	two := f.pair("two", cert, key)
	s := newTestServer(t, ServerSpec{Pairs: []Pair{one, two}, MinVersion: tls.VersionTLS12}, log.logger())
	shown := func(name string) string {
		t.Helper()
		cs, _, err := handshake(t, s.Config(), &tls.Config{RootCAs: a.pool, ServerName: name})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return cs.PeerCertificates[0].SerialNumber.String()
	}
	first, second := shown("one.example.com"), shown("two.example.com")

	s.refresh()
	if got := log.take(); got != "" {
		t.Errorf("nothing changed, but the log says %s", got)
	}

	// The certificate alone: the moment between is nobody's business, but what
	// lasts is.
	cert, key = a.issue(ecKey(t), 90*24*time.Hour, "one.example.com")
	f.write("one.pem", cert)
	s.refresh()
	if got := log.take(); got != "" {
		t.Errorf("at the first look the log says %s", got)
	}
	s.refresh()
	if got := log.take(); !strings.Contains(got, one.CertFile) || !strings.Contains(got, one.KeyFile) || !strings.Contains(got, "does not match") {
		t.Errorf("the log does not tell of the broken pair: %q", got)
	}
	s.refresh()
	if got := log.take(); got != "" {
		t.Errorf("the same is logged again: %s", got)
	}
	if got := shown("one.example.com"); got != first {
		t.Error("the broken pair put the old one out of service")
	}

	f.write("one.key", key)
	s.refresh()
	if got := log.take(); !strings.Contains(got, "certificate replaced") {
		t.Errorf("the log does not tell of the new pair: %q", got)
	}
	if shown("one.example.com") == first {
		t.Error("the old certificate is still shown")
	}
	if shown("two.example.com") != second {
		t.Error("the other certificate changed")
	}

	if err := os.Remove(two.CertFile); err != nil {
		t.Fatal(err)
	}
	s.refresh()
	s.refresh()
	if got := log.take(); !strings.Contains(got, "no such file") || shown("two.example.com") != second {
		t.Errorf("a file that is gone: the log says %q", got)
	}
}

func TestServerMinVersion(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "a.example.com")
	pair := f.pair("a", cert, key)
	for _, c := range []struct {
		least, client uint16
		ok            bool
	}{
		{tls.VersionTLS12, tls.VersionTLS11, false},
		{tls.VersionTLS12, tls.VersionTLS12, true},
		{tls.VersionTLS12, tls.VersionTLS13, true},
		{tls.VersionTLS13, tls.VersionTLS12, false},
		{tls.VersionTLS13, tls.VersionTLS13, true},
	} {
		s := newTestServer(t, ServerSpec{Pairs: []Pair{pair}, MinVersion: c.least}, nil)
		_, _, err := handshake(t, s.Config(), &tls.Config{RootCAs: a.pool, ServerName: "a.example.com", MinVersion: tls.VersionTLS10, MaxVersion: c.client})
		if (err == nil) != c.ok {
			t.Errorf("at least %s, client of %s: got %v", tls.VersionName(c.least), tls.VersionName(c.client), err)
		}
	}
}

func TestServerALPN(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "a.example.com")
	s := newTestServer(t, ServerSpec{Pairs: []Pair{f.pair("a", cert, key)}, MinVersion: tls.VersionTLS12}, nil)
	for _, c := range []struct {
		offer []string
		want  string
	}{
		{[]string{"h2", "http/1.1"}, "h2"},
		{[]string{"http/1.1", "h2"}, "h2"},
		{[]string{"http/1.1"}, "http/1.1"},
		{nil, ""},
	} {
		cs, _, err := handshake(t, s.Config(), &tls.Config{RootCAs: a.pool, ServerName: "a.example.com", NextProtos: c.offer})
		if err != nil || cs.NegotiatedProtocol != c.want {
			t.Errorf("%q: got %q and %v, want %q", c.offer, cs.NegotiatedProtocol, err, c.want)
		}
	}
}

func TestServerClientCertificates(t *testing.T) {
	a, friend, stranger, f := newAuthority(t, "a"), newAuthority(t, "friend"), newAuthority(t, "stranger"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "a.example.com")
	ca := f.write("ca.pem", friend.pem())
	s := newTestServer(t, ServerSpec{Pairs: []Pair{f.pair("a", cert, key)}, MinVersion: tls.VersionTLS12, ClientCAFile: ca}, nil)
	config := s.Config() // one, as a listener has
	dial := func(who *authority, sessions tls.ClientSessionCache, version uint16) (tls.ConnectionState, error) {
		c := &tls.Config{RootCAs: a.pool, ServerName: "a.example.com", ClientSessionCache: sessions, MaxVersion: version}
		if who != nil {
			pair := who.client()
			// Whatever the server asks for, as a hostile client would.
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		_, server, err := handshake(t, config, c)
		return server, err
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		f.write("ca.pem", friend.pem())
		s.refresh()
		if _, err := dial(nil, nil, version); err == nil {
			t.Error("a client without a certificate was let in")
		}
		if _, err := dial(stranger, nil, version); err == nil {
			t.Error("a client of an unknown authority was let in")
		}
		sessions := tls.NewLRUClientSessionCache(8)
		got, err := dial(friend, sessions, version)
		if err != nil || len(got.VerifiedChains) == 0 {
			t.Fatalf("a client of the right authority: %v", err)
		}
		if got, err = dial(friend, sessions, version); err != nil || !got.DidResume || len(got.VerifiedChains) == 0 {
			t.Errorf("its second connection: resumed %t, %v", got.DidResume, err)
		}

		f.write("ca.pem", stranger.pem())
		s.refresh()
		if _, err := dial(stranger, nil, version); err != nil {
			t.Errorf("a client of the new authority: %v", err)
		}
		if got, err := dial(friend, sessions, version); err == nil {
			t.Errorf("a session of the authority that is gone was resumed: %t", got.DidResume)
		}
	}
}

// TestServerTicketsSurvive resumes a session across a change of certificates.
func TestServerTicketsSurvive(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "a.example.com")
	s := newTestServer(t, ServerSpec{Pairs: []Pair{f.pair("a", cert, key)}, MinVersion: tls.VersionTLS12}, nil)
	config := s.Config() // one, as a listener has
	near := &tls.Config{RootCAs: a.pool, ServerName: "a.example.com", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	dial := func() bool {
		t.Helper()
		cs, _, err := handshake(t, config, near)
		if err != nil {
			t.Fatal(err)
		}
		return cs.DidResume
	}
	if dial() {
		t.Fatal("the first connection resumed something")
	}
	cert, key = a.issue(ecKey(t), time.Hour, "a.example.com")
	f.pair("a", cert, key)
	s.refresh()
	if !dial() {
		t.Error("the session was lost with the certificate")
	}
}

func TestServerWarnsOfEnd(t *testing.T) {
	a, f, log := newAuthority(t, "a"), newFiles(t), &logText{}
	cert, key := a.issue(ecKey(t), 20*24*time.Hour, "late.example.com")
	late := f.pair("late", cert, key)
	cert, key = a.issue(ecKey(t), 400*24*time.Hour, "far.example.com")
	far := f.pair("far", cert, key)
	s := newTestServer(t, ServerSpec{Pairs: []Pair{late, far}, MinVersion: tls.VersionTLS12}, log.logger())
	now := time.Now()
	for _, c := range []struct {
		days float64
		want string // "" for nothing
	}{
		{0, ""},
		{5, ""},
		{6.5, "expires soon"},
		{7, ""},
		{7.6, "expires soon"},
		{21, "has expired"},
	} {
		s.warnOfEnd(now.Add(time.Duration(c.days * float64(24*time.Hour))))
		got := log.take()
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) || strings.Contains(got, "far.example.com") {
			t.Errorf("after %v days: got %q, want %q", c.days, got, c.want)
		}
	}
	all := s.Certificates()
	if len(all) != 2 || all[0].CertFile != late.CertFile || all[1].Names[0] != "far.example.com" || all[1].NotAfter.Before(all[0].NotAfter) {
		t.Errorf("got %+v", all)
	}
}

// TestWatch lets the files of a server be watched.
func TestWatch(t *testing.T) {
	a, f, log := newAuthority(t, "a"), newFiles(t), &logText{}
	cert, key := a.issue(ecKey(t), 400*24*time.Hour, "a.example.com")
	next, nextKey := a.issue(ecKey(t), 400*24*time.Hour, "b.example.com")
	spec := ServerSpec{Pairs: []Pair{f.pair("a", cert, key)}, MinVersion: tls.VersionTLS12}
	synctest.Test(t, func(t *testing.T) {
		set, err := LoadServer(spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := NewServer(set, log.logger())
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { Watch(ctx, s.Look) })
		synctest.Wait()
		f.pair("a", next, nextKey)
		time.Sleep(every) // by the clock of the bubble: nobody waits
		synctest.Wait()
		if got := s.Certificates()[0].Names; len(got) != 1 || got[0] != "b.example.com" {
			t.Errorf("got %v, want the new certificate", got)
		}
		stop()
		run.Wait()
	})
}

func TestLoadServerErrors(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "a")
	pair := f.pair("a", cert, key)
	for _, spec := range []ServerSpec{
		{},
		{Pairs: []Pair{pair, {pair.CertFile, pair.CertFile}}},
		{Pairs: []Pair{pair}, ClientCAFile: pair.KeyFile},
	} {
		if _, err := LoadServer(spec, nil); err == nil {
			t.Errorf("%+v was let through", spec)
		}
	}
}

func TestClient(t *testing.T) {
	a, other, f, log := newAuthority(t, "a"), newAuthority(t, "other"), newFiles(t), &logText{}
	cert, key := a.issue(ecKey(t), time.Hour, "gateway")
	spec := ClientSpec{CAFile: f.write("ca.pem", a.pem()), ServerName: "inner", Pair: f.pair("gw", cert, key)}
	c, err := LoadClient(spec)
	if err != nil {
		t.Fatal(err)
	}
	got := c.ClientConfig("10.0.0.1")
	if got.ServerName != "inner" || len(got.Certificates) != 1 || got.RootCAs == nil || got.InsecureSkipVerify {
		t.Errorf("got %+v", got)
	}
	f.write("ca.pem", other.pem())
	c.Look(log.logger())
	if now := c.ClientConfig("x"); now.RootCAs.Equal(got.RootCAs) || !now.RootCAs.Equal(other.pool) {
		t.Error("the authorities were not replaced")
	}
	f.write("ca.pem", []byte("nothing"))
	c.Look(log.logger())
	c.Look(log.logger())
	if now := c.ClientConfig("x"); !now.RootCAs.Equal(other.pool) || !strings.Contains(log.take(), spec.CAFile) {
		t.Error("broken authorities were not refused aloud")
	}

	plain, err := LoadClient(ClientSpec{})
	if err != nil {
		t.Fatal(err)
	}
	if got := plain.ClientConfig("10.0.0.1"); got.ServerName != "10.0.0.1" || got.RootCAs != (*x509.CertPool)(nil) || got.Certificates != nil {
		t.Errorf("the zero spec: got %+v", got)
	}
	for _, bad := range []ClientSpec{{CAFile: f.dir}, {Pair: Pair{spec.Pair.CertFile, spec.CAFile}}} {
		if _, err := LoadClient(bad); err == nil {
			t.Errorf("%+v was let through", bad)
		}
	}
}
