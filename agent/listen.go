package agent

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/lictor/lictor/agent/certs"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/proxyprotocol"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
)

// server is one listener and the engine behind it.
type server struct {
	engine
	listener *proxy.Listener
	ln       net.Listener
	socket   *net.UDPConn // nil for a listener without HTTP/3
	addr     netip.AddrPort
	certs    *certs.Server          // nil for a listener in clear
	front    *proxyprotocol.Options // nil for one that nobody announces clients to
	mesh     *connect.Server        // nil for one that is no destination in the mesh
	// passing lets connections pass by the names that they ask for; nil on a
	// listener of HTTP in clear.
	passing func(net.Listener) net.Listener
	// shut is closed once the engine has got, and counted, every connection that it
	// will get.
	shut chan struct{}
}

// Serve takes requests until the server is shut down.
func (s *server) Serve() error {
	ln := s.ln
	if s.front != nil {
		ln = proxyprotocol.Wrap(ln, *s.front)
	}
	if s.passing != nil {
		ln = s.passing(ln)
	}
	if s.mesh != nil {
		ln = s.mesh.Listen(ln)
	}
	return s.engine.Serve(&doorway{Listener: ln, shut: s.shut})
}

// listen opens every address of the configuration, or none.
func (a *Agent) listen(g *generation) error {
	var errs []error
	c := g.config
	for i := range c.Listeners {
		s, err := a.listenOne(&c.Listeners[i], g.certificates[c.Listeners[i].Name])
		if err != nil {
			errs = append(errs, fmt.Errorf("listener %q: %w", c.Listeners[i].Name, err))
			continue
		}
		a.servers = append(a.servers, s)
	}
	errs = append(errs, a.listenAdmin(c))
	return errors.Join(errs...)
}

// listenOne opens one address; set is nil for a listener in clear.
func (a *Agent) listenOne(c *config.Listener, set *certs.ServerSet) (*server, error) {
	ln, socket, err := a.openAddress(c)
	if err != nil {
		return nil, err
	}
	s := &server{ln: ln, socket: socket, addr: addrPort(ln.Addr()), shut: make(chan struct{})}
	s.listener = &proxy.Listener{
		Name: c.Name, Port: s.addr.Port(), TrustedProxies: c.TrustedProxies, ReadForwarded: c.Forwarded == config.ForwardedStandard,
		RedirectPort: c.RedirectPort, HSTS: c.HSTS,
		HealthPath: c.HealthPath, Ready: func() bool { return a.succeeded.Load() || len(a.NotReady()) == 0 },
		Path: router.PathOptions{MergeSlashes: c.MergeSlashes, RejectEncodedSlash: c.RejectEncodedSlashes},
	}
	if c.TLS == nil && !c.Mesh {
		s.listener.Challenge = func(host, token []byte) (string, bool) { return a.acme.Pending().Answer(host, token, time.Now()) }
	}
	var secure *tls.Config
	if set != nil {
		s.certs = certs.NewServer(set, a.log.Named("tls").With("listener", c.Name))
		secure = s.certs.Config()
	}
	if c.Mesh {
		s.mesh = a.mesh.server(c.Protocol == config.ProtocolHTTP)
		if s.mesh.Requests {
			s.listener.Permits = permits(s.mesh)
		}
		secure = s.mesh.Config()
	}
	s.front = a.front(c, s.listener)
	if c.Protocol == config.ProtocolTCP {
		s.engine = a.passages.NewServer(a.passageListener(c, s.listener, withoutProtocols(secure)))
		return s, nil
	}
	if s.certs != nil {
		s.passing = func(ln net.Listener) net.Listener {
			return a.passages.NewFront(ln, a.passageListener(c, s.listener, nil))
		}
	}
	announce(c, s.listener)
	s.engine = a.newEngine(c, s, secure, a.log.Named("proxy"))
	return s, nil
}

// front says whose word on the client's address is taken, nil for nobody's.
func (a *Agent) front(c *config.Listener, l *proxy.Listener) *proxyprotocol.Options {
	o := &proxyprotocol.Options{
		Timeout: c.ReadHeaderTimeout, Refused: func() { l.Refused.Add(1) }, Logger: a.log.Named("proxy").With("listener", c.Name),
		Trusted: func(peer netip.Addr) bool {
			return slices.ContainsFunc(c.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(peer) })
		},
	}
	switch c.ProxyProtocol {
	case config.ProxyOptional:
		o.Mode = proxyprotocol.Optional
	case config.ProxyRequired:
		o.Mode = proxyprotocol.Required
	default:
		return nil
	}
	return o
}

// closeListeners gives the addresses back when the start fails.
func (a *Agent) closeListeners() {
	for _, s := range a.servers {
		s.ln.Close() // nothing was served
		if s.socket != nil {
			_ = s.socket.Close() // nor here
		}
	}
	if a.admin != nil {
		a.admin.ln.Close() // nothing was served
	}
}

func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// own reports whether an address is one of the gateway's own, which must never
// become an instance: a request would go round for ever.
func (a *Agent) own(p netip.AddrPort) bool {
	mine := func(listening netip.AddrPort) bool {
		if listening.Port() != p.Port() {
			return false
		}
		if listening.Addr().IsUnspecified() {
			return thisMachine(p.Addr())
		}
		return listening.Addr() == p.Addr()
	}
	if a.admin != nil && mine(a.admin.addr) {
		return true
	}
	return slices.ContainsFunc(a.servers, func(s *server) bool { return mine(s.addr) })
}

// thisMachine reports whether an address belongs to one of this machine's
// interfaces.
func thisMachine(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap() == ip
	})
}
