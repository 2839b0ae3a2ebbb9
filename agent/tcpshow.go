package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/proxy"
)

// TCPRouteInfo is one element of the tcp_routes of GET /v1/routes.
type TCPRouteInfo struct {
	Name        string   `json:"name"`
	Listener    string   `json:"listener"`
	SNI         []string `json:"sni"`
	Service     string   `json:"service"`
	Datacenters []string `json:"datacenters,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	Balance     string   `json:"balance"`
	Limits      []string `json:"limits"`
	Proxy       string   `json:"proxy_protocol"`
	Open        int64    `json:"open"`        // connections at present
	Connections uint64   `json:"connections"` // that have ended
	Errors      uint64   `json:"errors"`      // those that got no instance, or were broken off
	BytesIn     uint64   `json:"bytes_in"`
	BytesOut    uint64   `json:"bytes_out"`
	At          string   `json:"at"` // file and line
}

func tcpRoutes(g *generation) []TCPRouteInfo {
	out := []TCPRouteInfo{}
	for i, r := range g.passages.Routes {
		c, m := &g.config.Policy.TCPRoutes[i], r.Passages
		all, failed := m.Passages()
		out = append(out, TCPRouteInfo{
			Name: r.Name(), Listener: r.Listener, SNI: orEmpty(r.Names), Service: r.Service, Datacenters: c.Datacenters, Tags: c.Tags,
			Balance: c.Balance, Limits: orEmpty(c.Limits), Proxy: c.ProxyProtocol,
			Open: m.Open(), Connections: all, Errors: failed, BytesIn: m.BytesIn.Load(), BytesOut: m.BytesOut.Load(), At: c.Range.String(),
		})
	}
	return out
}

// passageDescs are the metrics of connections that are carried as they are.
type passageDescs struct{ open, ended *prometheus.Desc }

func newPassageDescs(desc func(name, help string, labels ...string) *prometheus.Desc) passageDescs {
	return passageDescs{
		open:  desc("tcp_connections", "Connections of a tcp_route at present.", "route"),
		ended: desc("tcp_connections_total", "Connections of a tcp_route that have ended, by how.", "route", "result"),
	}
}

func (d *passageDescs) collect(out chan<- prometheus.Metric, m *proxy.PassageMetrics) {
	if m.Name != "-" {
		gauge(out, d.open, float64(m.Open()), m.Name)
	}
	m.EachResult(func(result string, n uint64) { counter(out, d.ended, float64(n), m.Name, result) })
}

// passage tells of a route for connections what there is of those for requests, too.
func (c *collector) passage(out chan<- prometheus.Metric, r *proxy.Route) {
	counter(out, c.requestBytes, float64(r.Passages.BytesIn.Load()), r.Name())
	counter(out, c.responseBytes, float64(r.Passages.BytesOut.Load()), r.Name())
	r.Metrics.EachStepResult(func(step, result string, n uint64) { counter(out, c.stepResults, float64(n), r.Name(), step, result) })
}
