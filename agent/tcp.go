package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/tcp"
)

// announcements are the values of a route's proxy_protocol.
var announcements = map[string]tcp.Announcement{
	config.ProxyOff: tcp.Unannounced, config.ProxyV1: tcp.AnnounceV1, config.ProxyV2: tcp.AnnounceV2,
}

// refusedByMesh finds out what it means that a sidecar could not be connected to.
func refusedByMesh(x *proxy.Exchange, fe *proxy.ForwardError) {
	d, ok := x.Route.UpstreamTLS.(*connect.Destination)
	if !ok {
		return
	}
	if _, own := errors.AsType[*connect.IdentityError](fe.Err); own {
		fe.Answer = proxy.MeshUnavailable
	} else if mayBeDenied(fe) {
		judge(x.W.Context(), x, fe, d)
	}
}

// deniedByMesh finds out whether an intention is why a sidecar has ended a passage
// before the first byte from its instance.
func deniedByMesh(x *proxy.Exchange, err error) *proxy.ForwardError {
	d, ok := x.Route.UpstreamTLS.(*connect.Destination)
	if !ok {
		return nil
	}
	if err == nil {
		err = errors.New("the instance closed the connection")
	}
	fe := &proxy.ForwardError{Cause: proxy.Broke, Err: err}
	if judge(context.Background(), x, fe, d); fe.Answer != proxy.IntentionDenied { // Consul is asked for no longer than it may take
		return nil
	}
	return fe
}

// passageListener returns the options of a listener for the engine of connections. secure
// is nil where clients' TLS does not end.
func (a *Agent) passageListener(c *config.Listener, l *proxy.Listener, secure *tls.Config) tcp.ListenerOptions {
	return tcp.ListenerOptions{
		Listener: l, TLS: secure, HelloTimeout: c.ReadHeaderTimeout, MaxConnections: c.MaxConnections,
		Logger: a.log.Named("tcp").With("listener", c.Name),
	}
}

// withoutProtocols is what a listener shows whose clients speak who knows what.
func withoutProtocols(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	out := c.Clone()
	out.NextProtos = nil
	if next := c.GetConfigForClient; next != nil {
		out.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			now, err := next(h)
			if err != nil || now == nil {
				return now, err
			}
			now = now.Clone()
			now.NextProtos = nil
			return now, nil
		}
	}
	return out
}

// buildPassages makes the table of connections.
func (a *Agent) buildPassages(g, old *generation) error {
	var routes []*tcp.Route
	var errs []error
	for i := range g.config.Policy.TCPRoutes {
		r, err := a.buildPassage(g, &g.config.Policy.TCPRoutes[i], old)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		routes = append(routes, r)
		g.addPool(r.Pool)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var err error
	g.passages, err = tcp.NewTable(routes)
	return err
}

func (a *Agent) buildPassage(g *generation, r *config.TCPRoute, old *generation) (*tcp.Route, error) {
	steps := append(ipAccess(g.config.Policy.GatewaySteps), ipAccess(g.config.Policy.EffectiveSteps(&r.Route))...)
	steps = append(steps, a.phase(g, r.Limits, &r.Route)...)
	out := &proxy.Route{
		Rule:    router.Rule{Name: r.Name},
		Service: r.Service, Steps: steps, ConnectTimeout: r.ConnectTimeout, IdleTimeout: r.IdleTimeout,
		Metrics: proxy.NewRouteMetrics(r.Name), Passages: proxy.NewPassageMetrics(r.Name),
	}
	if was := old.passage(r.Name); was != nil {
		out.Metrics, out.Passages = was.Metrics, was.Passages
	}
	if err := a.send(g, &r.Route, out); err != nil {
		return nil, fmt.Errorf("tcp_route %q: %w", r.Name, err)
	}
	return &tcp.Route{Route: out, Listener: r.Listener, Names: r.SNI, Announce: announcements[r.ProxyProtocol]}, nil
}

func (g *generation) passage(name string) *proxy.Route {
	if g == nil {
		return nil
	}
	for _, r := range g.passages.Routes {
		if r.Name() == name {
			return r.Route
		}
	}
	return nil
}

// everyRoute returns the routes for requests and those for connections.
func (g *generation) everyRoute() []*proxy.Route {
	all := g.table.Routes
	if len(g.passages.Routes) == 0 {
		return all
	}
	all = append([]*proxy.Route(nil), all...)
	for _, r := range g.passages.Routes {
		all = append(all, r.Route)
	}
	return all
}
