package agent

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/lictor/lictor/agent/config"
)

// secret is that of everything's provider: 32 bytes.
const secret = "0123456789abcdef0123456789abcdef"

// everything configures a gateway that has all kinds of series.
func everything(t *testing.T, consul *fakeConsul) string {
	t.Helper()
	file := t.TempDir() + "/secret"
	write(t, file, secret)
	one := says(t, "one")
	consul.set("web", one.String())
	consul.set("zoned", one.String(), says(t, "two").String())
	consul.change(func() { consul.services["zoned"][0].Service.Locality = &api.Locality{Zone: "a"} })
	block := strings.Replace(consul.block(`zone = "a"`), "consul {\n", "consul {\n  connect {\n    enabled = true\n  }\n", 1)
	return "listener \"public\" {\n  address = \"127.0.0.1:0\"\n}\n" + tcpListener + stapledListener(t) + tcpRoute("pg", "s") + block + logTo("-", "json") + "tracing {\n  otlp_endpoint = \"http://127.0.0.1:4318\"\n  sample_ratio = 0\n}\n" + service("s", one) + perClient(3, "client.ip") +
		"limit \"adaptive_concurrency\" \"bearable\" {\n}\n" +
		fmt.Sprintf("jwt \"main\" {\n  algorithms = [\"HS256\"]\n  json_web_key_set {\n    hmac {\n      secret_file = %q\n    }\n  }\n}\n", file) +
		route("s", "/s", "s", `limits = ["per_client", "bearable"]`) + route("web", "/web", "web") +
		route("zoned", "/zoned", "zoned", `datacenters = ["dc2"]`) + divided("divided", "/divided", "s 9", "missing 1") +
		route("private", "/private", "s", "jwt {\n    provider = \"main\"\n  }") + route("none", "/none", "missing", "ip_access {\n    deny = [\"198.51.100.0/24\"]\n  }") +
		"policies {\n  kv_prefix = \"policies/\"\n  watch = false\n}\n"
}

// stapledListener is one whose certificate has to do with OCSP.
func stapledListener(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("config/testdata/tls")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("listener \"stapled\" {\n  address = \"127.0.0.1:0\"\n  tls {\n    certificate {\n      cert_file = %q\n      key_file = %q\n    }\n  }\n}\n",
		filepath.Join(dir, "staple.pem"), filepath.Join(dir, "staple.key"))
}

// busy has everything happen once.
func (g *gateway) busy() {
	g.t.Helper()
	g.spend("/s")
	g.get("/web")
	g.get("/none")
	g.get("/unmatched")
	g.get("/private", "Authorization: Bearer x.y.z")
	c, err := net.Dial("tcp", g.servers[1].addr.String())
	if err != nil {
		g.t.Fatal(err)
	}
	fmt.Fprint(c, "GET /s HTTP/1.0\r\n\r\n")
	if _, err := io.ReadAll(c); err != nil {
		g.t.Error(err)
	}
	c.Close()
	eventually(g.t, "all is counted", func() bool { return g.proxy.InFlight() == 0 })
}

func (g *gateway) gather() []*dto.MetricFamily {
	g.t.Helper()
	families, err := g.registry.Gather()
	if err != nil {
		g.t.Fatal(err)
	}
	return slices.DeleteFunc(families, func(f *dto.MetricFamily) bool {
		return strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_")
	})
}

// documented is a row of the README's table.
var documented = regexp.MustCompile("^\\| `(\\w+)` \\| (\\w+) \\| ?([^|]*)\\| [^|]+ \\|$")

// The README names every metric, with its type and labels, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var want []string
	for line := range strings.Lines(section) {
		if m := documented.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			labels := strings.FieldsFunc(m[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
			slices.Sort(labels)
			want = append(want, fmt.Sprint(m[1], " ", m[2], " ", labels))
		}
	}
	slices.Sort(want)

	g := start(t, everything(t, newFakeConsul(t))).awaitReady()
	g.busy()
	var got []string
	for _, f := range g.gather() {
		for _, m := range f.GetMetric() {
			labels := []string{}
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
			got = append(got, fmt.Sprint(f.GetName(), " ", strings.ToLower(f.GetType().String()), " ", labels))
		}
	}
	slices.Sort(got)
	got = slices.Compact(got)
	for _, m := range got {
		if !slices.Contains(want, m) {
			t.Errorf("the README does not have %s", m)
		}
	}
	for _, m := range want {
		if !slices.Contains(got, m) {
			t.Errorf("the README has %s, and the gateway does not", m)
		}
	}
}

// What promtool check metrics complains of.
func TestMetricsLint(t *testing.T) {
	t.Parallel()
	g := start(t, everything(t, newFakeConsul(t))).awaitReady()
	g.busy()
	problems, err := promlint.NewWithMetricFamilies(g.gather()).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// allSeries lists what there is as name{label="value",...}.
func (g *gateway) allSeries() map[string]float64 {
	g.t.Helper()
	all := map[string]float64{}
	for _, f := range g.gather() {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			all[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

// Who follows the figures must be able to rely on them.
func TestMetricsValues(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	g := start(t, everything(t, consul)).awaitReady()
	g.busy()
	// Consul has a service of the same name as the static one: still one series.
	consul.set("s", says(t, "other").String())
	eventually(t, "both know the service", func() bool { return len(g.set.Shadowed()) == 1 })
	_, _ = g.Reload() // counted below
	write(t, g.file, "route {")
	_, _ = g.Reload() // counted below
	all := g.allSeries()
	for series, want := range map[string]float64{
		`lictor_requests_total{class="2xx",method="GET",route="s"}`:               3,
		`lictor_requests_total{class="4xx",method="GET",route="s"}`:               1,
		`lictor_requests_total{class="2xx",method="GET",route="web"}`:             1,
		`lictor_requests_total{class="4xx",method="GET",route="-"}`:               1,
		`lictor_requests_total{class="5xx",method="GET",route="none"}`:            1,
		`lictor_request_duration_seconds{route="s"}`:                              4,
		`lictor_request_bytes_total{route="s"}`:                                   0,
		`lictor_response_bytes_total{route="web"}`:                                3,
		`lictor_in_flight{service="s"}`:                                           0,
		`lictor_endpoints{service="s",state="open"}`:                              1,
		`lictor_endpoints{service="s",state="benched"}`:                           0,
		`lictor_endpoints{service="missing",state="open"}`:                        0,
		`lictor_retries_total{cause="refused",service="s"}`:                       0,
		`lictor_limit_decisions_total{decision="allowed",limit="per_client"}`:     3,
		`lictor_limit_decisions_total{decision="denied",limit="per_client"}`:      1,
		`lictor_limit_keys{limit="per_client"}`:                                   1,
		`lictor_gateway_answers_total{problem="no-route"}`:                        1,
		`lictor_gateway_answers_total{problem="quota-exceeded"}`:                  1,
		`lictor_gateway_answers_total{problem="service-not-registered"}`:          1,
		`lictor_gateway_answers_total{problem="token-invalid"}`:                   1,
		`lictor_catalog_age_seconds{source="consul"}`:                             0,
		`lictor_catalog_age_seconds{source="static"}`:                             0,
		`lictor_catalog_changes_total{service="s"}`:                               1,
		`lictor_catalog_changes_total{service="web"}`:                             0,
		`lictor_connections_total{listener="public",result="accepted"}`:           8,
		`lictor_connections_total{listener="public",result="refused"}`:            0,
		`lictor_connections_total{listener="public",result="flooding"}`:           0,
		`lictor_reloads_total{result="ok"}`:                                       1,
		`lictor_reloads_total{result="failed"}`:                                   1,
		`lictor_generation{}`:                                                     2,
		`lictor_access_log_dropped_total{}`:                                       0,
		fmt.Sprintf(`lictor_build_info{go=%q,version="test"}`, runtime.Version()): 1,
	} {
		if got, ok := all[series]; !ok || got != want {
			t.Errorf("%s is %v (there: %v), want %v", series, got, ok, want)
		}
	}
}

// A label that takes its value from requests would let clients fill the memory.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	g := start(t, service("s", says(t, "one"))+route("s", "/s", "s")).awaitReady()
	for i := range 50 {
		ask(t, fmt.Sprintf("METHOD%d", i), fmt.Sprintf("http://%s/s/%d", g.address(), i), fmt.Sprintf("Host: h%d.example", i))
		ask(t, fmt.Sprintf("M%d", i), fmt.Sprintf("http://%s/%d", g.address(), i), fmt.Sprintf("Host: h%d.example", i))
	}
	eventually(t, "all is counted", func() bool { return g.proxy.InFlight() == 0 })
	all := g.allSeries()
	if n := all[`lictor_requests_total{class="2xx",method="other",route="s"}`]; n != 50 {
		t.Errorf("%v requests of unregistered methods, want 50", n)
	}
	for s := range all {
		if strings.Contains(s, "h1.example") || strings.Contains(s, "METHOD") || strings.Contains(s, `"M`) {
			t.Errorf("a client made the series %s", s)
		}
	}
}

// What a reload takes away loses its series, and what it keeps has them.
func TestMetricsOfWhatIsGone(t *testing.T) {
	t.Parallel()
	consul := newFakeConsul(t)
	g := start(t, everything(t, consul)).awaitReady()
	g.busy()
	before := g.allSeries()
	g.accept(consul.block() + logTo("-", "json") + route("web", "/web", "web"))
	eventually(t, "the series are gone", func() bool {
		for s := range g.allSeries() {
			for _, gone := range []string{`route="s"`, `route="private"`, `route="none"`, `limit=`, `provider=`, `service="s"`, `service="missing"`} {
				if strings.Contains(s, gone) {
					return false
				}
			}
		}
		return true
	})
	after := g.allSeries()
	for s, n := range before {
		if strings.Contains(s, `route="web"`) && after[s] < n {
			t.Errorf("%s went from %v to %v", s, n, after[s])
		}
	}
	g.accept(everything(t, consul)) // and they may come back
	if all := g.allSeries(); all[`lictor_limit_decisions_total{decision="allowed",limit="per_client"}`] != 0 {
		t.Error("a limit that came back goes on counting where it had stopped")
	}
}

func TestMetricsPrefix(t *testing.T) {
	t.Parallel()
	g := start(t, "telemetry {\n  metrics_prefix = \"edge\"\n}\n")
	for _, f := range g.gather() {
		if !strings.HasPrefix(f.GetName(), "edge_") {
			t.Errorf("%s", f.GetName())
		}
	}
}

func TestMetricsInJSON(t *testing.T) {
	t.Parallel()
	g := start(t, everything(t, newFakeConsul(t))).awaitReady()
	g.busy()
	v := decode[struct{ Metrics []MetricInfo }](t, g.api("GET", "/v1/metrics?format=json"))
	found := map[string]MetricInfo{}
	for _, m := range v.Metrics {
		found[m.Name] = m
	}
	if m := found["lictor_generation"]; m.Type != "gauge" || m.Help == "" || len(m.Series) != 1 || *m.Series[0].Value != 1 {
		t.Errorf("%+v", m)
	}
	h := found["lictor_request_duration_seconds"]
	at := slices.IndexFunc(h.Series, func(s SeriesInfo) bool { return s.Labels["route"] == "s" })
	if h.Type != "histogram" || at < 0 || *h.Series[at].Count != 4 || len(h.Series[at].Buckets) == 0 || h.Series[at].Value != nil {
		t.Errorf("%+v", h)
	}
	if m := found["go_gc_duration_seconds"]; m.Type != "summary" || m.Series[0].Count == nil {
		t.Errorf("%+v", m)
	}
}

func TestDumpTelemetry(t *testing.T) {
	t.Parallel()
	g := start(t, "")
	g.DumpTelemetry()
	for _, want := range []string{"# TYPE lictor_generation gauge\nlictor_generation 1\n", "go_goroutines "} {
		if !strings.Contains(g.log.String(), want) {
			t.Errorf("%q is not in the log", want)
		}
	}
}

// packets listens for StatsD.
func packets(t *testing.T) (address string, next func() []string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String(), func() []string {
		b := make([]byte, 64<<10)
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		if n > datagram {
			t.Errorf("a packet of %d bytes", n)
		}
		var lines []string
		for s := bufio.NewScanner(strings.NewReader(string(b[:n]))); s.Scan(); {
			lines = append(lines, s.Text())
		}
		return lines
	}
}

// gathered reads packets until every line that is wanted has come.
func gathered(t *testing.T, next func() []string, want ...string) {
	t.Helper()
	var all []string
	defer func() {
		if len(want) > 0 {
			t.Errorf("%q did not come; there came %q", want, all)
		}
	}()
	for end := time.Now().Add(patience); len(want) > 0 && time.Now().Before(end); {
		lines := next()
		all = append(all, lines...)
		want = slices.DeleteFunc(want, func(w string) bool { return slices.Contains(lines, w) })
	}
}

// A gateway that stops tells what has happened since it last told. (DogStatsD's
// client may lose its last packet when it is closed, so it is told before.)
func TestStatsdServers(t *testing.T) {
	t.Parallel()
	plain, next := packets(t)
	dogs, bark := packets(t)
	g := start(t, service("s", says(t, "one"))+route("s.1", "/s", "s")+
		fmt.Sprintf("node_name = \"lictor\"\ntelemetry {\n  statsd_address = %q\n  dogstatsd_addr = %q\n}\n", plain, dogs)).awaitReady()
	for range 3 {
		g.get("/s")
	}
	eventually(t, "all is counted", func() bool { return g.proxy.InFlight() == 0 })
	g.tellStatsd()
	gathered(t, bark, "lictor.requests_total:3|c|#class:2xx,method:GET,route:s.1", "lictor.generation:1|g")
	gathered(t, next, "lictor.requests_total.2xx.GET.s.1:3|c", "lictor.endpoints.s.open:1|g")
	g.get("/s")
	g.stop()
	g.await()
	gathered(t, next, "lictor.requests_total.2xx.GET.s.1:1|c", "lictor.request_duration_seconds_count.s.1:1|c",
		"lictor.response_bytes_total.s.1:3|c", "lictor.generation:1|g", "lictor.endpoints.s.open:1|g")
}

// Thousands of metrics arrive whole: none is dropped, none is cut in two.
func TestStatsdManyMetrics(t *testing.T) {
	t.Parallel()
	address, next := packets(t)
	d := &datagrams{address: address}
	const many = 2000
	for i := range many {
		d.count("", fmt.Sprintf("lictor.m%d", i), []*dto.LabelPair{{Name: new("a"), Value: new("x:|@#\n y")}}, 0.5)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for n := 0; n < many; {
			for _, l := range next() {
				if l != fmt.Sprintf("lictor.m%d.x______y:0.5|c", n) {
					t.Errorf("line %d is %q", n, l)
					n = many
				}
				n++
			}
		}
	}()
	if err := d.flush(nil); err != nil {
		t.Fatal(err)
	}
	<-read
}

// DogStatsD counts in whole numbers; fractions of seconds must add up all the
// same.
func TestDogStatsdFractions(t *testing.T) {
	t.Parallel()
	address, next := packets(t)
	s, err := newStatsd(config.Telemetry{MetricsPrefix: "lictor", DogstatsdAddr: address})
	if err != nil {
		t.Fatal(err)
	}
	d := s.sinks[0].(*dog)
	for range 5 {
		d.count("id", "lictor.sum", nil, 0.5)
	}
	if left := d.owed["id"]; left != 0.5 {
		t.Errorf("%v is owed", left)
	}
	if err := d.flush(map[string]float64{}); err != nil || len(d.owed) != 0 {
		t.Errorf("a series that is gone is owed %v, %v", d.owed, err)
	}
	defer s.close()
	sum := 0
	for sum < 2 {
		for _, l := range next() {
			if l == "lictor.sum:1|c" {
				sum++
			}
		}
	}
}
