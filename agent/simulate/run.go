package simulate

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"net/netip"
	"time"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
)

// Options are what a simulation is made of.
type Options struct {
	Policy *config.Policy
	// Logs are replayed one after the other, as one log: the oldest first.
	Logs []*Source
	// Host is what requests asked for that the log tells no host of; empty for
	// unknown.
	Host string
	// Cores is how many lines are parsed at once; 0 or less means one.
	Cores int
}

// Run replays the logs. It ends early only when a log can't be read any further, or
// the context is done.
func Run(ctx context.Context, o Options) (*Report, error) {
	if len(o.Logs) == 0 {
		return nil, errors.New("replaying logs: there is none")
	}
	holds := Holds{Host: true, Duration: true, Bytes: true, Agent: true, Instant: true}
	for _, s := range o.Logs {
		h := s.Format.Holds
		holds = Holds{holds.Host && h.Host, holds.Duration && h.Duration, holds.Bytes && h.Bytes, holds.Agent && h.Agent, holds.Instant && h.Instant}
	}
	holds.Host = holds.Host || o.Host != ""
	p, err := build(o.Policy, holds)
	if err != nil {
		return nil, err
	}
	r := newReplay(p, o.Host)
	for _, s := range o.Logs {
		file := LogFile{Name: s.Name, Format: s.Format.Name}
		r.order.spread = !s.Format.Holds.Instant
		err := s.stream(ctx, max(1, o.Cores), func(b *block) error {
			r.bad(&file, b)
			for i := range b.good {
				r.order.add(&b.good[i])
			}
			file.Lines += uint64(b.lines) //nolint:gosec // never negative
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(o.Logs) > 1 && r.order.spread {
			r.order.release()
		}
		r.files = append(r.files, file)
	}
	r.order.flush()
	return r.report(), nil
}

// replay is a simulation at work.
type replay struct {
	plan  *plan
	order order
	host  []byte

	proxy  *proxy.Proxy
	x      proxy.Exchange
	conn   *proxy.Conn
	body   emptyBody
	flight []flying // a heap, the first to end first

	files     []LogFile
	badLines  []BadLine
	requests  uint64
	admitted  uint64
	denied    uint64
	recorded  uint64 // that were denied when they were recorded
	from, to  time.Duration
	answers   map[string]uint64
	unmatched top[string]
	seed      maphash.Seed
	line      timeline
}

// flying is what a request holds, until it ends.
type flying struct {
	end   time.Duration
	holds proxy.Holds
}

func (a flying) compare(b flying) int { return cmp.Compare(a.end, b.end) }

func newReplay(p *plan, host string) *replay {
	r := &replay{
		plan: p, host: []byte(host), answers: map[string]uint64{}, seed: maphash.MakeSeed(),
		proxy: proxy.New(limits.NewClock(), nil),
		conn:  proxy.NewConn(&proxy.Listener{Name: "log", Path: router.PathOptions{MergeSlashes: true}}, netip.AddrPort{}, false),
	}
	r.order.emit = r.decide
	return r
}

// decide replays one request.
func (r *replay) decide(q *Request) {
	for len(r.flight) > 0 && r.flight[0].end <= q.Start {
		pop(&r.flight).holds.End()
	}
	x := &r.x
	r.fill(q)
	if r.requests == 0 || q.Start < r.from {
		r.from = q.Start
	}
	r.to = max(r.to, q.Start)
	r.requests++
	if q.Status == 429 {
		r.recorded++
	}
	admitted := r.proxy.Replay(r.plan.table, x, limits.Time{Mono: q.Start, Wall: q.Start})
	if admitted {
		r.admitted++
		if h := x.TakeHolds(); !h.Empty() {
			push(&r.flight, flying{q.Start + max(0, q.Took), h})
		}
	}
	if p := x.Problem; p != nil {
		r.answers[p.Name]++
		switch p {
		case proxy.QuotaExceeded:
			r.denied++
		case proxy.NoRoute, proxy.MethodNotAllowed:
			r.miss(q)
		}
	}
	r.line.add(q.Start, x.Problem == proxy.QuotaExceeded)
}

// fill makes the exchange what an engine would have.
func (r *replay) fill(q *Request) {
	x := &r.x
	r.conn.Peer, r.conn.TLS = netip.AddrPortFrom(q.Client, 0), q.TLS
	x.Conn = r.conn
	m := &x.Request
	m.Method, m.Verb, m.Path, m.Query, m.HasQuery, m.Host = q.Method, proxy.MethodOf(q.Method), q.Path, q.Query, q.HasQuery, q.Host
	if len(q.Host) == 0 {
		m.Host = r.host
	}
	m.Protocol = proxy.HTTP11
	m.Body, m.Length = nil, 0
	if q.BytesIn > 0 {
		m.Body, m.Length = &r.body, q.BytesIn
	}
	m.Fields.Reset(nil)
	if len(q.UserAgent) > 0 {
		m.Fields.Add(proxy.UserAgent, q.UserAgent)
	}
	if len(q.Referer) > 0 {
		m.Fields.Add(proxy.Referer, q.Referer)
	}
}

// longestPath bounds what is remembered of a request that no route took.
const longestPath = 200

// miss takes down what no route takes.
func (r *replay) miss(q *Request) {
	key := append(r.x.Space(), q.Method...)
	key = append(key, ' ')
	key = append(append(key, q.Host...), q.Path[:min(len(q.Path), longestPath)]...)
	hash := maphash.Bytes(r.seed, key)
	if r.unmatched.get(hash) == "" {
		r.unmatched.add(hash, shown(key))
	}
	r.unmatched.count(hash)
}

// mostBad is how many bad lines are shown.
const mostBad = 10

func (r *replay) bad(file *LogFile, b *block) {
	for _, l := range b.bad {
		file.Bad++
		if len(r.badLines) < mostBad {
			r.badLines = append(r.badLines, BadLine{File: file.Name, Line: file.Lines + uint64(l.line) + 1, Why: l.err.Error(), Text: shown(l.text)}) //nolint:gosec // never negative
		}
	}
}

// emptyBody is a body of which nobody reads anything.
type emptyBody struct{}

func (*emptyBody) Next() ([]byte, error)  { return nil, io.EOF }
func (*emptyBody) Ready() bool            { return true }
func (*emptyBody) Trailer() *proxy.Fields { return nil }
