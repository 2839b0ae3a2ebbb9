package consul

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

const (
	// plainWatches is how many watches have a connection each without TLS. An
	// agent takes 200 connections from one address (http_max_conns_per_client),
	// and the whole host shares them.
	plainWatches = 100
	// sharedReaders is how many of the other watches ask at a time.
	sharedReaders = 4

	// sweepInterval is how often a sharing watch asks though nothing pointed at
	// its service.
	sweepInterval = 15 * time.Second
	// The shared queries return much, and often, so they are paced more slowly.
	checksFloor   = 200 * time.Millisecond
	servicesFloor = 2 * time.Second
)

// sharer stands in for a connection per watch where there are too many. Two
// blocking queries watch what the whole datacenter has in common, and point out
// the services that something happened to; their watches then ask plainly, a
// few at a time:
//
//   - health/state/any returns every check: a check that is new, gone, or in
//     another state points to its service, and one of a node to the services
//     that were last seen on the node;
//   - catalog/services returns the names and tags: it shows services that come,
//     go, or change tags. Where it returns and shows nothing, an instance
//     somewhere came or went, and the services that have instances without
//     checks are asked, which the first query can't see.
//
// What neither shows, such as a changed weight, is found within sweepInterval.
type sharer struct {
	con *client
	log hclog.Logger

	sem    chan struct{}
	joined *bell

	mu      sync.Mutex
	members map[string]*share
}

// share is one watch's part in the sharer.
type share struct {
	in    *sharer
	nudge chan struct{} // capacity 1: something points at the service
	// freed says that the watch may have a connection of its own by now.
	freed atomic.Bool

	// Under in.mu: what the last answer said.
	nodes     map[string]struct{}
	names     map[string]struct{} // what the instances are registered as: a sidecar has a name of its own
	unchecked bool                // an instance has no check of its own
}

func newSharer(con *client, log hclog.Logger) *sharer {
	return &sharer{
		con: con, log: log, sem: make(chan struct{}, sharedReaders),
		joined: newBell(), members: make(map[string]*share),
	}
}

// add makes the service one of those that share.
func (s *sharer) add(name string) *share {
	m := &share{in: s, nudge: make(chan struct{}, 1)}
	s.mu.Lock()
	s.members[name] = m
	s.mu.Unlock()
	s.joined.strike()
	return m
}

// drop forgets the service.
func (s *sharer) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, name)
}

// take waits until something points at the service, until the sweep, revisit
// (0 for never) or kick. It reports false when ctx is done first.
func (m *share) take(ctx, kick context.Context, revisit time.Duration) bool {
	d := jitter(sweepInterval, chance())
	if revisit > 0 {
		d = min(d, revisit)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-m.nudge:
	case <-timer.C:
	case <-kick.Done():
	}
	return true
}

// enter waits for one of the few connections; leave gives it back.
func (m *share) enter(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case m.in.sem <- struct{}{}:
		return true
	}
}

func (m *share) leave() { <-m.in.sem }

// answered notes what points at the service from now on.
func (m *share) answered(a answer) {
	nodes := make(map[string]struct{}, len(a.entries))
	names := make(map[string]struct{}, 1)
	unchecked := false
	for _, e := range a.entries {
		if e == nil || e.Node == nil {
			continue
		}
		nodes[e.Node.Node] = struct{}{}
		if e.Service != nil {
			names[e.Service.Service] = struct{}{}
		}
		unchecked = unchecked || !hasServiceCheck(e)
	}
	m.in.mu.Lock()
	defer m.in.mu.Unlock()
	m.nodes, m.names, m.unchecked = nodes, names, unchecked
}

// of reports whether something is true of the service that is followed under the
// name, or of what its instances are registered as.
func (m *share) of(followed string, is func(name string) bool) bool {
	if service, _ := catalog.CutMeshName(followed); is(service) {
		return true
	}
	for name := range m.names {
		if name != followed && is(name) {
			return true
		}
	}
	return false
}

// free lets the watch go on by itself.
func (s *sharer) free(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[name]
	if m == nil {
		return
	}
	delete(s.members, name)
	m.freed.Store(true)
	select {
	case m.nudge <- struct{}{}:
	default:
	}
}

// point nudges the services that match.
func (s *sharer) point(match func(name string, m *share) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, m := range s.members {
		if match(name, m) {
			select {
			case m.nudge <- struct{}{}:
			default:
			}
		}
	}
}

func anyone(string, *share) bool { return true }

// run keeps both queries going while there is anyone who shares.
func (s *sharer) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.follow(ctx, checksFloor, s.checks()) })
	wg.Go(func() { s.follow(ctx, servicesFloor, s.services()) })
	wg.Wait()
}

// follow asks one of the shared queries again and again.
func (s *sharer) follow(ctx context.Context, floor time.Duration, ask func(context.Context, uint64) (uint64, error)) {
	var cur cursor
	var backoff time.Duration
	for s.awaitMember(ctx) {
		start := time.Now()
		wait := time.Duration(0)
		if cur.wait > 0 {
			wait = waitTime
		}
		one, cancel := context.WithTimeout(ctx, deadline(wait))
		index, err := ask(one, cur.wait)
		cancel()
		pause := floor - time.Since(start)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			if backoff == 0 {
				s.log.Debug("shared watch failed", "error", err)
				s.point(anyone) // let each find out for itself
			}
			cur = cur.plain()
			backoff = grow(backoff, limitFor(err))
			pause = jitter(backoff, chance())
		} else {
			if cur.wait > 0 {
				backoff = 0
			}
			cur, _ = cur.step(index)
		}
		if pause <= 0 {
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// awaitMember waits until someone shares. It reports false when ctx is done.
func (s *sharer) awaitMember(ctx context.Context) bool {
	for {
		joined := s.joined.heard()
		s.mu.Lock()
		n := len(s.members)
		s.mu.Unlock()
		if n > 0 {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-joined.Done():
		}
	}
}

// checks returns the query that compares all checks with those before.
func (s *sharer) checks() func(context.Context, uint64) (uint64, error) {
	seed := maphash.MakeSeed()
	var before map[checkOwner]uint64
	return func(ctx context.Context, index uint64) (uint64, error) {
		list, at, err := s.con.state(ctx, index)
		if err != nil {
			return 0, err
		}
		now := sum(seed, list)
		if before == nil {
			// Whatever happened between the watches' first answers and this.
			s.point(anyone)
		} else if diff := changed(before, now); len(diff) > 0 {
			s.point(func(name string, m *share) bool {
				if m.of(name, func(name string) bool { _, ok := diff[checkOwner{service: name}]; return ok }) {
					return true
				}
				for node := range m.nodes {
					if _, ok := diff[checkOwner{node: node}]; ok {
						return true
					}
				}
				return false
			})
		}
		before = now
		return at, nil
	}
}

// checkOwner is what a check belongs to: a service, or else a node.
type checkOwner struct{ service, node string }

// sum returns one number for the states of each owner's checks. It does not
// depend on their order.
func sum(seed maphash.Seed, list api.HealthChecks) map[checkOwner]uint64 {
	sums := make(map[checkOwner]uint64)
	var h maphash.Hash
	h.SetSeed(seed)
	for _, c := range list {
		if c == nil {
			continue
		}
		o := checkOwner{service: c.ServiceName}
		if c.ServiceID == "" {
			o = checkOwner{node: c.Node}
		}
		h.Reset()
		for _, part := range [...]string{c.Node, c.ServiceID, c.CheckID, c.Status} {
			h.WriteString(part)
			h.WriteByte(0)
		}
		sums[o] += h.Sum64()
	}
	return sums
}

// changed returns the owners whose number differs, or is on one side only.
func changed(before, now map[checkOwner]uint64) map[checkOwner]struct{} {
	diff := make(map[checkOwner]struct{})
	for o, v := range now {
		if old, ok := before[o]; !ok || old != v {
			diff[o] = struct{}{}
		}
	}
	for o := range before {
		if _, ok := now[o]; !ok {
			diff[o] = struct{}{}
		}
	}
	return diff
}

// services returns the query that compares all names and tags with those
// before.
func (s *sharer) services() func(context.Context, uint64) (uint64, error) {
	var before map[string][]string
	return func(ctx context.Context, index uint64) (uint64, error) {
		now, meta, err := s.con.api.Catalog().Services(s.con.options(ctx, index, waitTime))
		if err != nil {
			return 0, err
		}
		last := before
		before = now
		if last == nil {
			// Whatever happened between the watches' first answers and this.
			s.point(anyone)
		} else if meta.LastIndex != index {
			s.point(func(name string, m *share) bool {
				return m.unchecked || m.of(name, func(name string) bool {
					old, was := last[name]
					tags, is := now[name]
					return was != is || !sameSet(old, tags)
				})
			})
		}
		return meta.LastIndex, nil
	}
}

// sameSet reports whether two lists without repetition hold the same.
func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	in := make(map[string]struct{}, len(a))
	for _, v := range a {
		in[v] = struct{}{}
	}
	for _, v := range b {
		if _, ok := in[v]; !ok {
			return false
		}
	}
	return true
}

// plainLimit is how many watches may have a connection of their own.
func (o *owner) plainLimit() int {
	if o.cfg.PlainWatches > 0 {
		return o.cfg.PlainWatches
	}
	return plainWatches
}

// warnManyLocked says so when services have to share.
func (o *owner) warnManyLocked() {
	sharing := 0
	for _, r := range o.records {
		if !r.owned && !r.polls {
			sharing++
		}
	}
	if sharing == 0 {
		o.warn.clear(warnMany)
		return
	}
	o.warn.set(warnMany, fmt.Sprintf("%d of %d followed services share one watch, because an agent takes few connections from one address without TLS: "+
		"their changes are seen more slowly, some only after %v; use an https:// address for the agent", sharing, len(o.records), sweepInterval))
}
