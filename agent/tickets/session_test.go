package tickets

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// gateway is the configuration of one with the secrets.
func gateway(t *testing.T, secrets string) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(1000 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	k := parsed(t, secrets)
	inner := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	k.Use(inner)
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return k.For(hello, inner), nil
	}}
}

// client is one that keeps its tickets.
func client(version uint16, name string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, ServerName: name, ClientSessionCache: tls.NewLRUClientSessionCache(1),
		MinVersion: version, MaxVersion: version,
	}
}

// resumes reports whether a client's next connection goes on with its session.
func resumes(t *testing.T, server, client *tls.Config) bool {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		s := tls.Server(far, server)
		_, err := s.Write([]byte("x")) // behind the ticket
		done <- err
		far.Close()
	}()
	c := tls.Client(near, client)
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		near.Close()
		t.Fatalf("%v; at the server: %v", err, <-done)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState().DidResume
}

var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// TestFleet lets a client go from one gateway to others.
func TestFleet(t *testing.T) {
	for _, version := range versions {
		one, other, stranger := gateway(t, line(1)), gateway(t, line(1)), gateway(t, line(2))
		c := client(version, "example.com")
		if resumes(t, one, c) {
			t.Fatal("the first connection resumed something")
		}
		for i, g := range []*tls.Config{other, one, other} {
			if !resumes(t, g, c) {
				t.Errorf("%s: connection %d is a new session", tls.VersionName(version), i+2)
			}
		}
		if resumes(t, stranger, c) {
			t.Errorf("%s: another secret opens the ticket", tls.VersionName(version))
		}
	}
}

// TestOtherName offers a ticket under another name, as TLS 1.3 lets clients do where a
// certificate is for both.
func TestOtherName(t *testing.T) {
	for _, version := range versions {
		g, c := gateway(t, line(1)), client(version, "a.example.com")
		resumes(t, g, c)
		c.ClientSessionCache = oneTicket{c.ClientSessionCache}
		if !resumes(t, g, c) {
			t.Fatal("the ticket is not found")
		}
		c.ServerName = "b.example.com"
		if resumes(t, g, c) {
			t.Errorf("%s: a ticket for another name is taken", tls.VersionName(version))
		}
	}
}

// oneTicket gives out the ticket of one name for all.
type oneTicket struct{ tls.ClientSessionCache }

func (o oneTicket) Get(string) (*tls.ClientSessionState, bool) {
	return o.ClientSessionCache.Get("a.example.com")
}

// TestTicketsEnd follows a client through the hours.
func TestTicketsEnd(t *testing.T) {
	for _, version := range versions {
		synctest.Test(t, func(t *testing.T) { // from midnight, UTC, on
			g := gateway(t, line(1))
			c := client(version, "example.com")
			resumes(t, g, c)
			time.Sleep(2*period - time.Second)
			if !resumes(t, g, c) {
				t.Errorf("%s: gone before the end of the next period", tls.VersionName(version))
			}
			c = client(version, "example.com")
			time.Sleep(time.Second) // midnight again
			resumes(t, g, c)
			time.Sleep(2 * period)
			if resumes(t, g, c) {
				t.Errorf("%s: still good after two periods", tls.VersionName(version))
			}
		})
	}
}

// TestSessionsEnd: a client that comes every hour keeps its session by TLS 1.3, whose
// tickets have secrets of their own, and for a day by TLS 1.2.
func TestSessionsEnd(t *testing.T) {
	for version, want := range map[uint16]int{tls.VersionTLS12: 24, tls.VersionTLS13: 48} {
		synctest.Test(t, func(t *testing.T) {
			g, c := gateway(t, line(1)), client(version, "example.com")
			resumes(t, g, c)
			hours := 0
			for hours < 48 {
				time.Sleep(time.Hour)
				if !resumes(t, g, c) {
					break
				}
				hours++
			}
			if hours != want {
				t.Errorf("%s: resumed for %d hours, want %d", tls.VersionName(version), hours, want)
			}
		})
	}
}
