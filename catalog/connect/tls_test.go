package connect

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// known returns an identity that knows the authority, without Consul.
func known(t *testing.T, a *authority) *Identity {
	t.Helper()
	f := newFakeAgent(t)
	i := New(Config{Consul: f, Service: "edge", Logger: nullLogger})
	give(t, i, rootsOf(a), a.leaf("edge", time.Now().Add(time.Hour)))
	return i
}

func give(t *testing.T, i *Identity, list *api.CARootList, leaf *api.LeafCert) {
	t.Helper()
	r, err := newRoots(list)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLeaf(leaf, "edge")
	if err != nil {
		t.Fatal(err)
	}
	i.roots.Store(r)
	i.leaf.Store(l)
}

// pair makes a certificate that can be shown.
func pair(t *testing.T, a *authority, c *x509.Certificate) tls.Certificate {
	t.Helper()
	key := newKey(t)
	cert := a.sign(c, key, a)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: any(key).(*ecdsa.PrivateKey)}
}

// sidecar answers handshakes and reports how each ended.
func sidecar(t *testing.T, c *tls.Config) (address string, ended <-chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	results := make(chan error, 16)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s := tls.Server(conn, c)
			err = s.HandshakeContext(context.Background())
			if err == nil {
				_, err = io.WriteString(s, "hello")
			}
			results <- err
			conn.Close()
		}
	}()
	return ln.Addr().String(), results
}

// shake dials as the gateway does and reads what comes.
func shake(t *testing.T, address string, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	s := tls.Client(conn, c)
	if err := s.HandshakeContext(t.Context()); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(s, make([]byte, 5)); err != nil {
		return nil, err
	}
	return s, nil
}

// TestDial speaks to sidecars, the right one and others.
func TestDial(t *testing.T) {
	a, stranger := newAuthority(t, "a"), newAuthority(t, "stranger")
	i := known(t, a)
	for _, c := range []struct {
		name string
		cert tls.Certificate
		min  uint16
		max  uint16
		ok   bool
	}{
		{"the service", pair(t, a, template(t, uri("web"))), tls.VersionTLS12, tls.VersionTLS13, true},
		{"the service by TLS 1.2", pair(t, a, template(t, uri("web"))), tls.VersionTLS12, tls.VersionTLS12, true},
		{"an old TLS", pair(t, a, template(t, uri("web"))), tls.VersionTLS10, tls.VersionTLS11, false},
		{"another service", pair(t, a, template(t, uri("api"))), tls.VersionTLS12, tls.VersionTLS13, false},
		{"a stranger", pair(t, stranger, template(t, uri("web"))), tls.VersionTLS12, tls.VersionTLS13, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var shown [][]byte
			var asked string
			address, ended := sidecar(t, &tls.Config{
				MinVersion: c.min, MaxVersion: c.max, Certificates: []tls.Certificate{c.cert}, ClientAuth: tls.RequireAnyClientCert,
				VerifyConnection: func(s tls.ConnectionState) error {
					for _, p := range s.PeerCertificates {
						shown = append(shown, p.Raw)
					}
					asked = s.ServerName
					return nil
				},
			})
			conn, err := shake(t, address, i.Destination("web").ClientConfig("127.0.0.1"))
			there := <-ended
			if !c.ok {
				if err == nil {
					t.Error("the connection was made")
				}
				return
			}
			if err != nil || there != nil {
				t.Fatalf("here %v, there %v", err, there)
			}
			if conn.ConnectionState().NegotiatedProtocol != "" {
				t.Errorf("ALPN chose %q", conn.ConnectionState().NegotiatedProtocol)
			}
			if len(shown) != 1 || string(shown[0]) != string(i.leaf.Load().pair.Certificate[0]) {
				t.Errorf("%d certificates were shown, not the leaf", len(shown))
			}
			if asked != "web.default.dc1.internal."+domain {
				t.Errorf("SNI %q", asked)
			}
		})
	}
}

// The rules of the moment count, also where a session is resumed.
func TestResumedSessionsAreVerified(t *testing.T) {
	a, b := newAuthority(t, "a"), newAuthority(t, "b")
	i := known(t, a)
	address, ended := sidecar(t, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair(t, a, template(t, uri("web")))}, ClientAuth: tls.RequireAnyClientCert,
	})
	cache := tls.NewLRUClientSessionCache(4)
	dial := func() (*tls.Conn, error) {
		c := i.Destination("web").ClientConfig("")
		c.ClientSessionCache = cache
		conn, err := shake(t, address, c)
		<-ended
		return conn, err
	}
	if _, err := dial(); err != nil {
		t.Fatal(err)
	}
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	if !conn.ConnectionState().DidResume {
		t.Fatal("the session was not resumed, so this test tests nothing")
	}
	give(t, i, rootsOf(b), b.leaf("edge", time.Now().Add(time.Hour)))
	if _, err := dial(); err == nil {
		t.Error("a session was resumed although no root vouches for the peer any more")
	}
}

func TestDialWithoutIdentity(t *testing.T) {
	a := newAuthority(t, "a")
	address, _ := sidecar(t, &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair(t, a, template(t, uri("web")))}, ClientAuth: tls.RequireAnyClientCert,
	})
	i := New(Config{Consul: newFakeAgent(t), Service: "edge", Logger: nullLogger})
	if _, err := shake(t, address, i.Destination("web").ClientConfig("")); !isIdentityError(err) {
		t.Errorf("%v", err)
	}
}

// TestServe lets clients connect to the gateway.
func TestServe(t *testing.T) {
	a, stranger := newAuthority(t, "a"), newAuthority(t, "stranger")
	i := known(t, a)
	n := NewIntentions(i)
	n.known.Store(&intentions{rules: newRules([]*api.Intention{allow("shop", 9), deny("*", 8)})})
	s := NewServer(i, n)
	address, ended := sidecar(t, s.Config())
	serverOnly := template(t, uri("shop"))
	serverOnly.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	shop := pair(t, a, template(t, uri("shop")))
	for _, c := range []struct {
		name  string
		certs []tls.Certificate
		alpn  []string
		want  string // of the server's error; empty for let in
		proto string
	}{
		{"allowed", []tls.Certificate{shop}, nil, "", ""},
		{"allowed, in HTTP/2", []tls.Certificate{shop}, []string{"h2"}, "", "h2"},
		{"denied", []tls.Certificate{pair(t, a, template(t, uri("api")))}, nil, "denied by intention", ""},
		{"no certificate", nil, nil, "didn't provide a certificate", ""},
		{"a stranger", []tls.Certificate{pair(t, stranger, template(t, uri("shop")))}, nil, "unknown authority", ""},
		{"for servers only", []tls.Certificate{pair(t, a, serverOnly)}, nil, "incompatible key usage", ""},
		{"of another trust domain", []tls.Certificate{pair(t, a, template(t, "spiffe://other.consul/ns/default/dc/dc1/svc/shop"))}, nil, "another trust domain", ""},
		{"nobody's name", []tls.Certificate{pair(t, a, template(t))}, nil, "0 URIs", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := n.Denied()
			conn, err := shake(t, address, &tls.Config{
				InsecureSkipVerify: true, NextProtos: c.alpn,
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(c.certs) == 0 {
						return &tls.Certificate{}, nil
					}
					return &c.certs[0], nil
				},
			})
			there := <-ended
			if c.want == "" {
				if err != nil || there != nil {
					t.Fatalf("here %v, there %v", err, there)
				}
				if got := conn.ConnectionState().NegotiatedProtocol; got != c.proto {
					t.Errorf("ALPN chose %q", got)
				}
				return
			}
			if err == nil || there == nil || !strings.Contains(there.Error(), c.want) {
				t.Errorf("here %v, there %v", err, there)
			}
			if strings.Contains(c.want, "intention") && (!errors.Is(there, ErrDenied) || n.Denied() != before+1) {
				t.Errorf("%v is not counted as a denial", there)
			}
		})
	}
}

func TestServeKnowingNothing(t *testing.T) {
	a := newAuthority(t, "a")
	shop := pair(t, a, template(t, uri("shop")))
	client := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{shop}}
	i := known(t, a)
	address, ended := sidecar(t, NewServer(i, NewIntentions(i)).Config())
	if _, err := shake(t, address, client); err == nil {
		t.Error("somebody was let in before the intentions are known")
	}
	if err := <-ended; !errors.Is(err, ErrDenied) {
		t.Error(err)
	}
	i.leaf.Store(nil)
	if _, err := shake(t, address, client); err == nil {
		t.Error("somebody was let in without a leaf")
	}
	if err := <-ended; !isIdentityError(err) {
		t.Error(err)
	}
}

// TestIntentionsFollowed takes intentions from Consul, and closes the connection
// of a client that is denied by now.
func TestIntentionsFollowed(t *testing.T) {
	f := newFakeAgent(t)
	a := newAuthority(t, "a")
	f.set(rootsPath, rootsOf(a))
	f.set(leafPath, a.leaf("edge", time.Now().Add(time.Hour)))
	f.set(matchPath, map[string]any{"edge": []*api.Intention{allow("shop", 9)}})
	f.set(selfPath, byDefault(""))
	i := f.identity(nil)
	n := NewIntentions(i)
	s := NewServer(i, n)
	n.Changed = s.Review
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	shop, api1 := ID{Partition: "default", Namespace: "default", Service: "shop"}, ID{Partition: "default", Namespace: "default", Service: "api"}
	allowed := func(id ID) bool { ok, _ := s.allowed(id); return ok }
	eventually(t, "the intentions are known", func() bool { return allowed(shop) && !allowed(api1) && i.Check() == nil })

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })}
	go server.Serve(tls.NewListener(s.Listen(ln), s.Config()))
	t.Cleanup(func() { server.Close() })
	shopPair := pair(t, a, template(t, uri("shop")))
	conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{shopPair}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
		t.Fatal(err)
	}
	f.set(selfPath, byDefault("allow")) // the default, which the next change brings
	f.set(matchPath, map[string]any{"edge": []*api.Intention{deny("shop", 9)}})
	eventually(t, "the change is known", func() bool { return !allowed(shop) && allowed(api1) })
	if _, err := io.Copy(io.Discard, conn); err != nil && isTimeout(err) {
		t.Error("the connection of a client that is denied by now was left open")
	}
	f.set(matchPath, map[string]any{"another": nil})
	eventually(t, "an answer about another service is no answer", i.stale)
	if allowed(shop) || !allowed(api1) {
		t.Error("what was known does not stay in force")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) != 0 {
		t.Errorf("%d connections are remembered", len(s.conns))
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}
