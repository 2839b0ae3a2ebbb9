package agent

import (
	"bytes"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/jwt"
	"github.com/lictor/lictor/proxy/upstream"
)

// collector turns the pipeline's atomics into metrics when they are asked for.
// The series of a route, limit or service that is gone go with it.
type collector struct {
	agent *Agent

	requests, duration, requestBytes, responseBytes *prometheus.Desc
	inFlight, endpoints, retries                    *prometheus.Desc
	decisions, keys, fleet                          *prometheus.Desc
	holders                                         holders
	answers, age, changes                           *prometheus.Desc
	reloads, generation, logDropped, spans          *prometheus.Desc
	connections, accepted, handshakes               *prometheus.Desc
	verifications, stepResults                      *prometheus.Desc
	kvAge, kvRefused, certificateExpiry             *prometheus.Desc
	staples                                         stapleDescs
	passages                                        passageDescs
	mesh                                            meshDescs
	places                                          placeDescs
	splits                                          splitDescs
}

func newCollector(a *Agent, prefix string) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(prefix, "", name), help, labels, nil)
	}
	return &collector{
		agent:             a,
		requests:          desc("requests_total", "Requests that have ended, by status class.", "route", "method", "class"),
		duration:          desc("request_duration_seconds", "Time from the request's head to the response's end.", "route"),
		requestBytes:      desc("request_bytes_total", "Body bytes received from clients, and all that came by connections of tcp_routes.", "route"),
		responseBytes:     desc("response_bytes_total", "Body bytes sent to clients, and all that went by connections of tcp_routes.", "route"),
		inFlight:          desc("in_flight", "Requests that hold an instance of the service.", "service"),
		endpoints:         desc("endpoints", "Instances by what they are to the gateway.", "service", "state"),
		retries:           desc("retries_total", "Further attempts, by what befell the one before.", "service", "cause"),
		decisions:         desc("limit_decisions_total", "Decisions of limits.", "limit", "decision"),
		keys:              desc("limit_keys", "Keys that a limit holds.", "limit"),
		holders:           newHolders(desc),
		fleet:             desc("fleet_gateways", "Gateways among whom limits are shared out, this one included."),
		answers:           desc("gateway_answers_total", "Answers made by the gateway itself.", "problem"),
		age:               desc("catalog_age_seconds", "Time since the source last confirmed the catalog.", "source"),
		changes:           desc("catalog_changes_total", "Changes of a service's instances.", "service"),
		stepResults:       desc("step_results_total", "Requests by how a step judged them that admits or refuses.", "route", "step", "result"),
		verifications:     desc("jwt_verifications_total", "Tokens by how their verification ended.", "provider", "result"),
		reloads:           desc("reloads_total", "Reloads of the configuration.", "result"),
		certificateExpiry: desc("certificate_expiry_seconds", "Time until a listener's certificate ends, negative once it has; 0 while there is none.", "listener", "name"),
		kvAge:             desc("kv_age_seconds", "Time since Consul last confirmed the policies in its KV store."),
		kvRefused:         desc("kv_refused", "1 while the newest policies in Consul's KV store are not those that serve."),
		staples:           newStapleDescs(desc),
		passages:          newPassageDescs(desc),
		mesh:              newMeshDescs(desc),
		places:            newPlaceDescs(desc),
		splits:            newSplitDescs(desc),
		generation:        desc("generation", "Generation of the policies that serve."),
		logDropped:        desc("access_log_dropped_total", "Access log lines that were lost."),
		spans:             desc("trace_spans_total", "Spans of traces by what became of them.", "result"),
		connections:       desc("connections", "Client connections by what they are at present.", "listener", "state"),
		handshakes:        desc("tls_handshakes_total", "Handshakes of TLS with clients that were agreed to, by whether they resumed a session.", "listener", "session"),
		accepted:          desc("connections_total", "Client connections that came in, by whether max_connections let them.", "listener", "result"),
	}
}

// Describe implements prometheus.Collector. The collector is unchecked: which
// series there are depends on the policies.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	a := c.agent
	g := a.current.Load()
	c.route(out, a.proxy.Unmatched)
	for _, r := range g.table.Routes {
		c.route(out, r.Metrics)
	}
	c.passages.collect(out, a.proxy.UnmatchedPassages)
	for _, r := range g.passages.Routes {
		c.passages.collect(out, r.Passages)
		c.passage(out, r.Route)
	}
	for _, st := range a.set.Describe(time.Now()) {
		c.service(out, &st)
	}
	for _, l := range g.limits {
		n := l.Counters
		for _, d := range []struct {
			decision string
			n        uint64
		}{
			{"allowed", n.Allowed.Load()},
			{"delayed", n.Delayed.Load()},
			{"denied", n.Denied.Load()},
			{"would_deny", n.WouldDeny.Load()},
			{"store_error", n.StoreError.Load()},
		} {
			counter(out, c.decisions, float64(d.n), l.Spec.Name, d.decision)
		}
		gauge(out, c.keys, float64(l.Limiter.Keys()), l.Spec.Name)
		c.holders.collect(out, l, a.clock.Now())
	}
	gauge(out, c.fleet, float64(a.fleet.gateways()))
	c.certificates(out, time.Now())
	a.proxy.EachAnswerCount(func(problem string, n uint64) { counter(out, c.answers, float64(n), problem) })
	a.identities.Each(func(p *jwt.Provider) {
		p.Counters.Each(func(result string, n uint64) { counter(out, c.verifications, float64(n), p.Spec.Name, result) })
	})
	changes := make(map[string]uint64) // of one service, over all sources that are asked for it
	for _, s := range a.sources {
		st := s.Status()
		gauge(out, c.age, st.Age.Seconds(), s.Name())
		for name, v := range st.Services {
			changes[name] += v.Changes
		}
	}
	for name, n := range changes {
		counter(out, c.changes, float64(n), name)
	}
	counter(out, c.reloads, float64(a.reloads.ok.Load()), "ok")
	counter(out, c.reloads, float64(a.reloads.failed.Load()), "failed")
	gauge(out, c.generation, float64(g.number))
	c.kv(out, g)
	c.mesh.collect(out, a.mesh)
	c.places.collect(out, a, g)
	c.splits.collect(out, g)
	if len(a.logs) > 0 {
		counter(out, c.logDropped, float64(a.droppedLines()))
	}
	c.collectTraces(out)
	for _, s := range a.servers {
		gauge(out, c.connections, float64(s.listener.Open.Load()), s.listener.Name, "open")
		counter(out, c.accepted, float64(s.listener.Accepted.Load()), s.listener.Name, "accepted")
		counter(out, c.accepted, float64(s.listener.Refused.Load()), s.listener.Name, "refused")
		counter(out, c.accepted, float64(s.listener.Flooding.Load()), s.listener.Name, "flooding")
		c.handshaken(out, s)
	}
}

func (c *collector) route(out chan<- prometheus.Metric, m *proxy.RouteMetrics) {
	m.EachRequestCount(func(method proxy.Method, class int, n uint64) {
		label := "none"
		if class > 0 {
			label = strconv.Itoa(class) + "xx"
		}
		counter(out, c.requests, float64(n), m.Name, method.String(), label)
	})
	cumulative, count, sum := m.Durations()
	buckets := make(map[float64]uint64, len(cumulative))
	for i, n := range cumulative {
		buckets[proxy.DurationBounds[i].Seconds()] = n
	}
	out <- prometheus.MustNewConstHistogram(c.duration, count, sum.Seconds(), buckets, m.Name)
	in, sent := m.Bytes()
	counter(out, c.requestBytes, float64(in), m.Name)
	counter(out, c.responseBytes, float64(sent), m.Name)
	m.EachStepResult(func(step, result string, n uint64) { counter(out, c.stepResults, float64(n), m.Name, step, result) })
}

func (c *collector) service(out chan<- prometheus.Metric, st *upstream.ServiceStats) {
	gauge(out, c.inFlight, float64(st.InFlight), st.Name)
	states := map[string]int{}
	for i := range st.Endpoints {
		states[st.Endpoints[i].State.String()]++
	}
	for s := upstream.Open; s <= upstream.Draining; s++ {
		if s != upstream.Full { // what is full is so to one pool only
			gauge(out, c.endpoints, float64(states[s.String()]), st.Name, s.String())
		}
	}
	r := st.Retries
	for _, v := range []struct {
		cause string
		n     uint64
	}{{"refused", r.Refused}, {"broke", r.Broke}, {"timed_out", r.TimedOut}, {"other", r.Other}} {
		counter(out, c.retries, float64(v.n), st.Name, v.cause)
	}
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// newRegistry gathers everything there is to measure.
func newRegistry(a *Agent, prefix string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: prometheus.BuildFQName(prefix, "", "build_info"), Help: "The version that runs; always 1.",
		ConstLabels: prometheus.Labels{"version": a.options.Version, "go": runtime.Version()},
	})
	info.Set(1)
	reg.MustRegister(newCollector(a, prefix), info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// metricsHandler serves GET /v1/metrics: the Prometheus text format, or JSON
// when asked for with ?format=json.
func (a *Agent) metricsHandler() http.Handler {
	text := promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("format") != "json" {
			text.ServeHTTP(w, r)
			return
		}
		families, err := a.registry.Gather()
		if err != nil {
			writeProblem(w, http.StatusInternalServerError, "metrics", err.Error())
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"metrics": metricsJSON(families)})
	})
}

// DumpTelemetry writes all metrics to where the log goes.
func (a *Agent) DumpTelemetry() {
	families, err := a.registry.Gather()
	if err != nil {
		a.log.Error("gathering metrics", "error", err)
	}
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			a.log.Error("writing metrics", "metric", f.GetName(), "error", err)
		}
	}
	if _, err := a.options.Stderr.Write(b.Bytes()); err != nil {
		a.log.Error("writing metrics", "error", err)
	}
}
