package certs

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// secretLine is a new secret, as a file has it.
func secretLine() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b) + "\n"
}

// TestServersShareTickets lets clients go from one listener to another, with and
// without certificates of theirs, over a change of authorities.
func TestServersShareTickets(t *testing.T) {
	a, friend, stranger, f := newAuthority(t, "a"), newAuthority(t, "friend"), newAuthority(t, "stranger"), newFiles(t)
	secrets := f.write("secrets", []byte(secretLine()))
	ca := f.write("ca.pem", friend.pem())
	spec := func(name string) ServerSpec {
		cert, key := a.issue(ecKey(t), time.Hour, "a.example.com")
		return ServerSpec{Pairs: []Pair{f.pair(name, cert, key)}, MinVersion: tls.VersionTLS12, TicketFile: secrets}
	}
	demanding := spec("demanding")
	demanding.ClientCAFile = ca
	optional := spec("optional")
	optional.ClientCAFile, optional.ClientOptional = ca, true
	open, open2 := newTestServer(t, spec("open"), nil), newTestServer(t, spec("open2"), nil)
	demand, demand2, ask := newTestServer(t, demanding, nil), newTestServer(t, demanding, nil), newTestServer(t, optional, nil)

	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		f.write("ca.pem", friend.pem())
		for _, s := range []*Server{demand, demand2, ask} {
			s.refresh()
		}
		newClient := func(who *authority) *tls.Config {
			c := &tls.Config{RootCAs: a.pool, ServerName: "a.example.com", ClientSessionCache: tls.NewLRUClientSessionCache(1), MaxVersion: version}
			if who != nil {
				pair := who.client()
				c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			}
			return c
		}
		meet := func(s *Server, c *tls.Config) (resumed, known bool, err error) {
			_, state, err := handshake(t, s.Config(), c)
			return state.DidResume, len(state.VerifiedChains) > 0, err
		}
		want := func(what string, s *Server, c *tls.Config, resumed, known, ok bool) {
			t.Helper()
			r, k, err := meet(s, c)
			if (err == nil) != ok || ok && (r != resumed || k != known) {
				t.Errorf("%s, %s: resumed %t, with a certificate %t, %v", tls.VersionName(version), what, r, k, err)
			}
		}
		nobody := newClient(nil)
		want("a first visit", open, nobody, false, false, true)
		want("another listener", open2, nobody, true, false, true)
		want("one that asks for a certificate", ask, nobody, true, false, true)
		want("one that demands a certificate", demand, nobody, false, false, false)

		known := newClient(friend)
		want("a first visit with a certificate", demand, known, false, true, true)
		want("another listener with a certificate", demand2, known, true, true, true)
		want("one that asks for it", ask, known, true, true, true)
		want("one that does not want it", open, known, false, false, true)

		known = newClient(friend)
		want("a second client's first visit", demand, known, false, true, true)
		f.write("ca.pem", stranger.pem())
		demand2.refresh()
		ask.refresh()
		want("where its authority is gone", demand2, known, false, false, false)
	}
}

// TestTicketRotation replaces the secrets while the server runs.
func TestTicketRotation(t *testing.T) {
	a, f, log := newAuthority(t, "a"), newFiles(t), &logText{}
	cert, key := a.issue(ecKey(t), 90*24*time.Hour, "a.example.com")
	one, two := secretLine(), secretLine()
	spec := ServerSpec{Pairs: []Pair{f.pair("a", cert, key)}, MinVersion: tls.VersionTLS12, TicketFile: f.write("secrets", []byte(one))}
	s := newTestServer(t, spec, log.logger())
	config := s.Config()
	client := func() *tls.Config {
		return &tls.Config{RootCAs: a.pool, ServerName: "a.example.com", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	}
	resumes := func(c *tls.Config) bool {
		t.Helper()
		cs, _, err := handshake(t, config, c)
		if err != nil {
			t.Fatal(err)
		}
		return cs.DidResume
	}
	early, late := client(), client()
	resumes(early)
	resumes(late)

	f.write("secrets", []byte(two+one))
	s.refresh()
	if got := log.take(); !strings.Contains(got, "replaced") || !strings.Contains(got, spec.TicketFile) || strings.Contains(got, two[:16]) || strings.Contains(got, one[:16]) {
		t.Errorf("the log says %q", got)
	}
	if !resumes(early) {
		t.Error("a session of the old secret is lost")
	}

	f.write("secrets", []byte("short\n"))
	s.refresh()
	s.refresh()
	if got := log.take(); !strings.Contains(got, "the previous ones stay") || !strings.Contains(got, spec.TicketFile+": line 1: ") {
		t.Errorf("the log does not tell of the broken file: %q", got)
	}
	s.refresh()
	if got := log.take(); got != "" || !resumes(early) {
		t.Errorf("the broken file matters; the log says %q", got)
	}

	f.write("secrets", []byte(two))
	s.refresh()
	if !resumes(early) {
		t.Error("a session that was resumed meanwhile is still sealed by the old secret")
	}
	if resumes(late) {
		t.Error("a session of the secret that is gone is resumed")
	}

	// A reload reads the same file, and forgets nothing.
	again, err := LoadServer(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Adopt(again)
	if !resumes(early) {
		t.Error("the session is lost by a reload")
	}
	spec.TicketFile = ""
	none, err := LoadServer(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Adopt(none)
	if resumes(early) || !resumes(early) {
		t.Error("without a file, crypto/tls should seal")
	}
}

func TestLoadTicketsErrors(t *testing.T) {
	f := newFiles(t)
	for _, file := range []string{f.dir, f.dir + "/absent", f.write("empty", nil), f.write("short", []byte("abc"))} {
		if _, err := LoadServer(ServerSpec{TicketFile: file}, noKeeper{}); err == nil {
			t.Errorf("%s: let through", file)
		}
		_, err := LoadTickets(file)
		if bad, ok := errors.AsType[*FileError](err); !ok || bad.File != file {
			t.Errorf("%s: got %v", file, err)
		}
	}
}

// noKeeper has no certificates.
type noKeeper struct{}

func (noKeeper) Certificates() []*tls.Certificate  { return nil }
func (noKeeper) Challenge(string) *tls.Certificate { return nil }

func TestExposed(t *testing.T) {
	file := newFiles(t).write("secrets", []byte(secretLine()))
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: runtime.GOOS != "windows", 0o604: runtime.GOOS != "windows"} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if got := Exposed(file); got != want {
			t.Errorf("%o: got %t", mode, got)
		}
	}
	if Exposed(file + ".absent") {
		t.Error("a file that is not there is exposed")
	}
}
