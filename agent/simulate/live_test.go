package simulate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
	"github.com/lictor/lictor/proxy/router"
	"github.com/lictor/lictor/proxy/step/limit"
)

// work is a step that stands for an instance: it takes a while, and answers.
type work struct{}

func (work) Request(x *proxy.Exchange) bool {
	var ms int
	if _, err := fmt.Sscanf(string(x.Request.Query), "ms=%d", &ms); err != nil {
		panic(err)
	}
	time.Sleep(time.Duration(ms)*time.Millisecond + time.Millisecond/2) // never ends when another begins
	x.Answer(proxy.NoHealthyInstance, "", nil)
	return false
}

type written struct{ *bytes.Buffer }

func (written) Close() error { return nil }

// live serves requests by a proxy as a gateway has it, whose limits wait, and
// returns the access log.
func live(t *testing.T, p *config.Policy, arrivals []arrival) []byte {
	t.Helper()
	var hostNames []string
	for i := range p.Routes {
		hostNames = append(hostNames, p.Routes[i].Hosts...)
	}
	hosts, waiters := limit.NewHosts(hostNames), limits.NewWaiters(1000)
	byName := map[string]*limit.Limit{}
	for i := range p.Limits {
		s := p.Limits[i]
		byName[s.Name] = limit.New(s, s.Limit.New(limits.Options{MaxKeys: s.MaxKeys}), nil, hosts)
	}
	phase := func(names []string) []proxy.Step {
		var list []*limit.Limit
		for _, n := range names {
			list = append(list, byName[n])
		}
		if p := limit.NewPhase(list, waiters); p != nil {
			return []proxy.Step{p}
		}
		return nil
	}
	var routes []*proxy.Route
	for i := range p.Routes {
		r := &p.Routes[i]
		routes = append(routes, &proxy.Route{Rule: r.Rule(), Service: r.Service, Timeout: r.Timeout, Steps: append(phase(p.EffectiveLimits(r)), work{})})
	}
	table, err := proxy.NewTable(1, phase(p.Gateway), routes)
	if err != nil {
		t.Fatal(err)
	}
	served := proxy.New(limits.NewClock(), nil)
	served.Swap(table)
	sink, log := accesslog.NewSink(1), new(bytes.Buffer)
	served.SetLogs(&proxy.Log{Sink: sink})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sink.Run(ctx, func() (io.WriteCloser, error) { return written{log}, nil }) }()

	listener := &proxy.Listener{Path: router.PathOptions{MergeSlashes: true}}
	begin := time.Now()
	for _, a := range arrivals {
		time.Sleep(time.Until(begin.Add(a.at))) // by the clock of the bubble, as are the others here
		go func() {
			x := &proxy.Exchange{W: silent{}, Conn: proxy.NewConn(listener, netip.AddrPortFrom(a.client, 1), false)}
			x.Request = proxy.Request{
				Method: []byte("GET"), Verb: proxy.MethodGet, Path: []byte(a.path), Host: []byte("shop.example.com"), Protocol: proxy.HTTP11,
				Query: fmt.Appendf(nil, "ms=%d", a.took), HasQuery: true,
			}
			x.Request.Fields.Reset(nil)
			x.Request.Fields.AddString(proxy.UserAgent, a.agent)
			served.Serve(x)
		}()
		synctest.Wait() // one after the other, as the log has them
	}
	time.Sleep(time.Minute) // the last answer has been logged by then
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return log.Bytes()
}

type silent struct{}

func (silent) Interim(int, *proxy.Fields) error    { return nil }
func (silent) Head(*proxy.Response) error          { return nil }
func (silent) Body([]byte) error                   { return nil }
func (silent) Flush() error                        { return nil }
func (silent) End(*proxy.Fields) error             { return nil }
func (silent) Abort()                              {}
func (silent) Tunnel() (io.ReadWriteCloser, error) { return nil, io.EOF }
func (silent) Context() context.Context            { return context.Background() }

type arrival struct {
	at          time.Duration
	client      netip.Addr
	path, agent string
	took        int
}

func arrivals(seed uint64, n int) []arrival {
	random := rand.New(rand.NewPCG(seed, 7))
	var all []arrival
	at := time.Duration(0)
	for range n {
		at += time.Duration(1+int(random.ExpFloat64()*15)) * time.Millisecond
		a := arrival{at: at, took: int(random.ExpFloat64() * 60), agent: fmt.Sprint("agent/", random.IntN(3))}
		a.client = netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(6))})
		if random.IntN(3) == 0 {
			a.client = netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%d::%d", random.IntN(2), random.IntN(50)))
		}
		a.path = []string{"/a", "/b/c", "/b/../a", "/nowhere", "/held/x"}[random.IntN(5)]
		all = append(all, a)
	}
	return all
}

// TestAsLive wants of every request the decision that a live gateway made, by the
// log that this one wrote. Its clock is virtual, so that moments are the log's
// milliseconds exactly.
func TestAsLive(t *testing.T) {
	for name, text := range map[string]string{
		"token bucket": `limit "token_bucket" "l" { rate = "3/s" }`,
		"leaky bucket": "limit \"leaky_bucket\" \"l\" {\n rate = \"90/m\"\n capacity = 3\n key = [client.ip, route.name]\n}",
		"queue":        "limit \"leaky_bucket\" \"l\" {\n rate = \"10/s\"\n queue = 7\n key = [route.name]\n}",
		"fixed window": "limit \"fixed_window\" \"l\" {\n limit = 9\n window = \"2s\"\n offset = \"300ms\"\n}",
		"counter":      "limit \"sliding_window\" \"l\" {\n limit = 9\n window = \"2s\"\n key = [request.header[\"User-Agent\"], request.method]\n}",
		"log":          "limit \"sliding_window\" \"l\" {\n limit = 9\n window = \"2s\"\n precision = \"log\"\n key = [service.name, request.host]\n}",
		"parts":        "limit \"sliding_window\" \"l\" {\n limit = 9\n window = \"2s\"\n precision = \"buckets\"\n}",
		"concurrency":  "limit \"concurrency\" \"l\" {\n max = 1\n}",
		"costs":        "limit \"token_bucket\" \"l\" {\n rate = \"30/s\"\n cost = { GET = 7 }\n}",
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(4) {
				synctest.Test(t, func(t *testing.T) { asLive(t, text, seed) })
			}
		})
	}
}

const liveRoutes = `
limit "token_bucket" "second" {
  rate = "5/s"
  key  = [route.name]
}
limit "concurrency" "held" {
  max = 2
  key = [route.name]
}
limit "fixed_window" "flood" {
  limit  = 60
  window = "1s"
  key    = []
}
gateway {
  limits = ["flood"]
}
route "a" {
  hosts   = ["shop.example.com"]
  path    = "/a"
  service = "s"
  limits  = ["l"]
}
route "b" {
  path_prefix = "/b"
  service     = "s"
  limits      = ["l", "second"]
}
route "held" {
  path_prefix = "/held"
  service     = "t"
  limits      = ["held", "l"]
  timeout     = "400ms"
}
`

func asLive(t *testing.T, text string, seed uint64) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "p.hcl"), []byte(expand(text)+liveRoutes), 0o600); err != nil {
		t.Fatal(err)
	}
	p := policyOf(t, dir)
	log := live(t, p, arrivals(seed, 1500))
	if n := bytes.Count(log, []byte("\n")); n != 1500 {
		t.Fatalf("the log has %d lines", n)
	}
	made, err := build(p, Holds{true, true, true, true, true})
	if err != nil {
		t.Fatal(err)
	}
	r := newReplay(made, "")
	wrong, denied := 0, 0
	r.order.emit = func(q *Request) {
		r.decide(q)
		then, now := q.Status == 429, r.x.Problem == proxy.QuotaExceeded
		if then {
			denied++
		}
		if then != now {
			if wrong++; wrong < 5 {
				t.Errorf("seed %d: %s %s at %s: refused live %t, simulated %t", seed, q.Client, q.Path, q.Start, then, now)
			}
		}
	}
	s := &Source{Format: Formats()[0]}
	b := &block{text: log, done: make(chan struct{})}
	b.parse(&s.Format)
	if len(b.bad) > 0 {
		t.Fatal(b.bad[0])
	}
	for i := range b.good {
		r.order.add(&b.good[i])
	}
	r.order.flush()
	if denied == 0 || denied == 1500 {
		t.Errorf("%d were refused: nothing was tried", denied)
	}
}

// expand puts the attributes of a block on one line on lines of their own.
func expand(text string) string {
	if strings.Contains(text, "\n") {
		return text + "\n"
	}
	text = strings.Replace(text, "{ ", "{\n", 1)
	return strings.TrimSuffix(text, " }") + "\n}\n"
}
