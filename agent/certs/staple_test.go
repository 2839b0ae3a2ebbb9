package certs

import (
	"crypto/tls"
	"sync"
	"testing"
	"time"
)

// staples are what a test has authorities say, by the first name of a certificate.
type staples struct {
	mu   sync.Mutex
	says map[string]string
}

func (s *staples) Staple(c *tls.Certificate) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.says[c.Leaf.DNSNames[0]]; v != "" {
		return []byte(v)
	}
	return nil
}

func (s *staples) say(name, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says[name] = what
}

// TestServerStaples shows each certificate with its own staple, in both versions, and
// what changes from the next look on.
func TestServerStaples(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "one.test")
	one := f.pair("one", cert, key)
	cert, key = a.issue(ecKey(t), time.Hour, "two.test")
	two := f.pair("two", cert, key)
	spec := ServerSpec{Pairs: []Pair{one, two}, MinVersion: tls.VersionTLS12}
	set, err := LoadServer(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	says := &staples{says: map[string]string{"one.test": "first"}}
	set.StapleBy(says)
	s := NewServer(set, nil)
	config := s.Config() // one, as a listener has
	check := func(name, want string) {
		t.Helper()
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			got, _, err := handshake(t, config, &tls.Config{RootCAs: a.pool, ServerName: name, MaxVersion: version})
			if err != nil || string(got.OCSPResponse) != want {
				t.Errorf("%s by %s: got %q and %v, want %q", name, tls.VersionName(version), got.OCSPResponse, err, want)
			}
		}
	}
	check("one.test", "first") // from the first handshake on
	check("two.test", "")

	says.say("two.test", "other")
	says.say("one.test", "second")
	check("one.test", "first")
	s.Look(time.Now())
	check("one.test", "second")
	check("two.test", "other")
	says.say("one.test", "") // it has ended
	s.Look(time.Now())
	check("one.test", "")

	// A certificate in another's place has its own.
	cert, key = a.issue(ecKey(t), time.Hour, "three.test", "one.test")
	f.pair("one", cert, key)
	says.say("one.test", "of the certificate before")
	says.say("three.test", "third")
	s.Look(time.Now())
	check("one.test", "third")
	if got := s.ToStaple(); len(got) != 2 || got[0].Leaf.DNSNames[0] != "three.test" || got[0].OCSPStaple != nil {
		t.Errorf("got %d certificates to staple", len(got))
	}

	plain, err := LoadServer(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Adopt(plain)
	check("two.test", "")
	if got := s.ToStaple(); got != nil {
		t.Errorf("%d certificates are stapled by nobody", len(got))
	}
}

// keeper keeps certificates in no files.
type keeper struct{ certs []*tls.Certificate }

func (k *keeper) Certificates() []*tls.Certificate { return k.certs }
func (*keeper) Challenge(string) *tls.Certificate  { return nil }

// TestServerStaplesKept shows staples with certificates that are in no files.
func TestServerStaplesKept(t *testing.T) {
	a := newAuthority(t, "a")
	made, err := tls.X509KeyPair(a.issue(ecKey(t), time.Hour, "made.test"))
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{}
	set, err := LoadServer(ServerSpec{MinVersion: tls.VersionTLS12}, k)
	if err != nil {
		t.Fatal(err)
	}
	set.StapleBy(&staples{says: map[string]string{"made.test": "kept"}})
	s := NewServer(set, nil)
	k.certs = []*tls.Certificate{&made}
	s.Look(time.Now())
	got, _, err := handshake(t, s.Config(), &tls.Config{RootCAs: a.pool, ServerName: "made.test"})
	if err != nil || string(got.OCSPResponse) != "kept" {
		t.Errorf("got %q, %v", got.OCSPResponse, err)
	}
}
