package proxy_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/upstream"
)

type count struct {
	method proxy.Method
	class  int
}

func counts(m *proxy.RouteMetrics) map[count]uint64 {
	got := map[count]uint64{}
	m.EachRequestCount(func(v proxy.Method, class int, n uint64) { got[count{v, class}] += n })
	return got
}

func TestRequestsAreCounted(t *testing.T) {
	status := "200"
	m := &memory{script: func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
		m.send(x)
		m.answer(x, []byte("HTTP/1.1 "+status+" X\r\n\r\n0123456789"))
		return nil
	}}
	g := newGateway(t, m, silent)
	for _, c := range []struct{ verb, path, status string }{
		{"GET", "/orders", "200"},
		{"GET", "/orders", "204"},
		{"POST", "/orders", "302"},
		{"BREW", "/orders", "418"},
		{"GET", "/orders", "503"},
		{"GET", "/nothing", ""},
		{"GET", "/%00", ""},
		{"HEAD", "/orders", "599"},
		{"GET", "/orders", "999"},
	} {
		status = c.status
		g.serve(method(c.verb, c.path) + "hello")
	}
	route := g.proxy.Table().Routes[0].Metrics
	want := map[count]uint64{
		{proxy.MethodGet, 2}: 2, {proxy.MethodPost, 3}: 1, {proxy.MethodOther, 4}: 1, {proxy.MethodGet, 5}: 2, {proxy.MethodHead, 5}: 1,
	}
	got := counts(route)
	for c, n := range want {
		if got[c] != n {
			t.Errorf("%v class %d: %d, want %d", c.method, c.class, got[c], n)
		}
	}
	if all, failed := route.Requests(); len(got) != len(want) || all != 7 || failed != 3 {
		t.Errorf("%d requests, %d failed: %v", all, failed, got)
	}
	if in, out := route.Bytes(); in != 7*5 || out != 7*10 {
		t.Errorf("%d bytes in, %d out", in, out)
	}
	if got := counts(g.proxy.Unmatched); got[count{proxy.MethodGet, 4}] != 2 || len(got) != 1 || g.proxy.Unmatched.Name != "-" {
		t.Errorf("unmatched: %v", got)
	}
	answers := map[string]uint64{}
	g.proxy.EachAnswerCount(func(name string, n uint64) { answers[name] += n })
	if answers["no-route"] != 1 || answers["malformed"] != 1 || len(answers) != 2 {
		t.Errorf("answers: %v", answers)
	}
}

func TestDurationsAreCumulated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		m := &memory{script: func(m *memory, _ int, x *proxy.Exchange, _ *upstream.Endpoint) error {
			time.Sleep(took) // of the bubble's
			m.answer(x, []byte(reply))
			return nil
		}}
		g := newGateway(t, m, silent)
		var sum time.Duration
		for _, took = range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 30 * time.Second, time.Minute} {
			sum += took
			g.serve(get("/orders"))
		}
		got, n, total := g.proxy.Table().Routes[0].Metrics.Durations()
		if n != 5 || total != sum || got[0] != 2 || got[1] != 3 || got[len(got)-2] != 3 || got[len(got)-1] != 4 {
			t.Errorf("%d in %v: %v", n, total, got)
		}
		for i := 1; i < len(proxy.DurationBounds); i++ {
			if proxy.DurationBounds[i] <= proxy.DurationBounds[i-1] {
				t.Errorf("bound %d does not rise", i)
			}
		}
	})
}

// TestMetricsSurviveReload: the same object serves the route of that name.
func TestMetricsSurviveReload(t *testing.T) {
	g := newGateway(t, &memory{reply: []byte(reply)}, silent)
	g.serve(get("/orders"))
	old := g.proxy.Table().Routes[0]
	next := &proxy.Route{Rule: old.Rule, Service: old.Service, Pool: old.Pool, Metrics: old.Metrics}
	table, err := proxy.NewTable(2, nil, []*proxy.Route{next})
	if err != nil {
		t.Fatal(err)
	}
	g.proxy.Swap(table)
	g.serve(get("/orders"))
	if all, _ := g.proxy.Table().Routes[0].Metrics.Requests(); all != 2 || g.proxy.Table().Generation != 2 {
		t.Errorf("%d requests", all)
	}
}

func TestMethods(t *testing.T) {
	idempotent := "GET HEAD PUT DELETE OPTIONS TRACE"
	for name := range strings.FieldsSeq(idempotent + " POST PATCH CONNECT") {
		v := proxy.MethodOf([]byte(name))
		if v.String() != name || v.Idempotent() != strings.Contains(" "+idempotent+" ", " "+name+" ") {
			t.Errorf("%s is %v, idempotent %v", name, v, v.Idempotent())
		}
	}
	for _, name := range []string{"", "get", "GETS", "BREW"} {
		if v := proxy.MethodOf([]byte(name)); v != proxy.MethodOther || v.Idempotent() {
			t.Errorf("%s is %v", name, v)
		}
	}
}
