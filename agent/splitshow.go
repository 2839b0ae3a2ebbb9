package agent

import (
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

// ShareInfo is one of those among whom a route divides its requests.
type ShareInfo struct {
	Service string   `json:"service"`
	Tags    []string `json:"tags,omitempty"`
	Port    string   `json:"port,omitempty"`
	Weight  int      `json:"weight"`
	// Due is the part of the requests that the weights give it, Share the one that it
	// gets at present, while who has no healthy instance gets none.
	Due   float64 `json:"due"`
	Share float64 `json:"share"`
	// Requests counts those that were drawn for it.
	Requests uint64 `json:"requests"`
}

// String names the share and what part of the requests it gets.
func (s *ShareInfo) String() string {
	one := upstream.Share{Service: s.Service, Tags: s.Tags, Port: s.Port}
	text := one.String() + " " + percent(s.Share)
	if s.Share != s.Due {
		text += " (due " + percent(s.Due) + ")"
	}
	return text
}

// percent writes a part of one with at most one digit behind the point.
func percent(part float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(100*part, 'f', 1, 64), ".0") + "%"
}

// sharesOf describes the shares of a route, none where it does not split its requests.
func sharesOf(r *proxy.Route, c *config.Route) []ShareInfo {
	stats := r.Pool.Shares()
	list := make([]ShareInfo, 0, len(stats))
	for i := range stats {
		s := &stats[i]
		list = append(list, ShareInfo{
			Service: c.Split[i].Service, Tags: s.Tags, Port: s.Port, Weight: s.Weight, Due: s.Due, Share: s.Now, Requests: s.Requests,
		})
	}
	return list
}

// shareNames writes the shares of a route in one line.
func shareNames(all []ShareInfo) string {
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].String()
	}
	return strings.Join(names, ", ")
}

// splitDescs are the metrics of how requests are divided.
type splitDescs struct{ share, requests *prometheus.Desc }

func newSplitDescs(desc func(name, help string, labels ...string) *prometheus.Desc) splitDescs {
	labels := []string{"route", "service", "tags", "port"}
	return splitDescs{
		share:    desc("split_share", "Part of a route's requests that a share of it gets at present.", labels...),
		requests: desc("split_requests_total", "Requests of a route that were drawn for a share of it.", labels...),
	}
}

func (d *splitDescs) collect(out chan<- prometheus.Metric, g *generation) {
	for i, r := range g.table.Routes {
		for _, s := range sharesOf(r, &g.config.Policy.Routes[i]) {
			labels := []string{r.Name(), s.Service, strings.Join(s.Tags, ","), s.Port}
			gauge(out, d.share, s.Share, labels...)
			counter(out, d.requests, float64(s.Requests), labels...)
		}
	}
}
