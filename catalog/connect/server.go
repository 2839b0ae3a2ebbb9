package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Server lets services of the mesh connect to the gateway: it shows the leaf,
// demands a certificate, and asks the intentions about whoever showed one.
type Server struct {
	in         *Identity
	intentions *Intentions
	// Requests says that each request is judged, by Client: whom permissions are
	// about is let in only then. It is set before the first connection.
	Requests bool

	mu    sync.Mutex
	conns map[*Conn]struct{}
}

// NewServer returns what judges the connections of one listener.
func NewServer(i *Identity, n *Intentions) *Server {
	return &Server{in: i, intentions: n, conns: make(map[*Conn]struct{})}
}

// ErrDenied is a client that an intention, or the default, denies.
var ErrDenied = errors.New("mesh: denied by intention")

// Config returns a configuration for good: each handshake goes by the leaf, the
// roots and the intentions of then. Sessions are not resumed, so that each
// connection is judged in full.
func (s *Server) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return s.handshake(hello)
		},
	}
}

// handshake returns the configuration of one handshake.
func (s *Server) handshake(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	l, r, err := s.in.current()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		MinVersion:             tls.VersionTLS12,
		Certificates:           []tls.Certificate{*l.pair},
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              r.pool,
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return s.judge(r, state, hello.Conn)
		},
	}
	if len(hello.SupportedProtos) > 0 { // a client that offers nothing we know is answered in HTTP/1.1
		c.NextProtos = []string{"h2", "http/1.1"}
	}
	return c, nil
}

// allowed reports whether a service may be connected, and why.
func (s *Server) allowed(id ID) (bool, string) {
	d := s.intentions.known.Load().decide(id)
	if d.judged != nil && !s.Requests {
		return false, d.why + ", and requests are not looked at, which denies"
	}
	return d.allowed, d.why
}

// judge decides whether a client may connect.
func (s *Server) judge(r *Roots, state tls.ConnectionState, c net.Conn) error {
	id, err := r.identify(state.PeerCertificates, x509.ExtKeyUsageClientAuth, s.in.now())
	if err != nil {
		s.intentions.denied.Add(1)
		return err
	}
	if m := meshConn(c); m != nil {
		m.admit(id) // before it is judged, so that no change of the intentions passes it by
	}
	if ok, why := s.allowed(id); !ok {
		s.intentions.denied.Add(1)
		s.intentions.log.Debug("mesh client denied", "source", id.String(), "reason", why)
		return fmt.Errorf("%w: %s: %s", ErrDenied, id, why)
	}
	return nil
}
