package http1_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/proxy"
)

// All instances of these tests speak TLS to whoever begins with it, so that every
// test can be run with a gateway that does.

// authority is who has signed the certificate of every instance: that itself.
var authority = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
})

// trusting is the way of TLS that verifies those.
type trusting struct{}

// ClientConfig implements proxy.UpstreamTLS.
func (trusting) ClientConfig(host string) *tls.Config {
	_, roots := authority()
	return &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
}

// overTLS speaks it to the instances.
func overTLS(e engine) engine {
	return func(l *proxy.Listener, o options) (func(proxy.Handler) server, proxy.Forwarder) {
		if o.Route.UpstreamTLS == nil {
			o.Route.UpstreamTLS = trusting{}
		}
		return e(l, o)
	}
}

// sniffing is a listener whose connections find out what they speak.
type sniffing struct{ net.Listener }

func (l sniffing) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sniffed{Conn: c}, nil
}

// sniffed is a connection that turns out to be TLS, or not, when it is read from.
type sniffed struct {
	net.Conn
	once  sync.Once
	first []byte
	over  atomic.Pointer[tls.Conn] // nil in clear
}

const handshakeRecord = 22

func (s *sniffed) sniff() {
	b := make([]byte, 1)
	n, err := s.Conn.Read(b)
	if s.first = b[:n]; err == nil && b[0] == handshakeRecord {
		certificate, _ := authority()
		s.over.Store(tls.Server(beneath{s.Conn, s}, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}))
	}
}

// socket reads what comes before TLS.
func (s *sniffed) socket(p []byte) (int, error) {
	if len(s.first) > 0 && len(p) > 0 {
		n := copy(p, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	return s.Conn.Read(p)
}

func (s *sniffed) Read(p []byte) (int, error) {
	s.once.Do(s.sniff)
	if t := s.over.Load(); t != nil {
		return t.Read(p)
	}
	return s.socket(p)
}

func (s *sniffed) Write(p []byte) (int, error) {
	if t := s.over.Load(); t != nil {
		return t.Write(p)
	}
	return s.Conn.Write(p)
}

func (s *sniffed) Close() error {
	if t := s.over.Load(); t != nil {
		return t.Close()
	}
	return s.Conn.Close()
}

func (s *sniffed) CloseWrite() error {
	if t := s.over.Load(); t != nil {
		return t.CloseWrite()
	}
	return s.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

func (s *sniffed) SetLinger(seconds int) error {
	return s.Conn.(interface{ SetLinger(int) error }).SetLinger(seconds)
}

// beneath is what TLS speaks over.
type beneath struct {
	net.Conn
	s *sniffed
}

func (b beneath) Read(p []byte) (int, error) { return b.s.socket(p) }
