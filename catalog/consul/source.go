package consul

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

// Source follows services in Consul. It implements catalog.Source.
type Source struct {
	cfg  Config
	log  hclog.Logger
	con  *client
	warn *warnings

	events chan event
	poke   chan struct{} // capacity 1: wanted changed
	wake   *bell
	kick   *bell
	probe  *probe
	here   atomic.Pointer[place]
	id     *identity
	share  *sharer
	acl    *acl
	store  *store

	mu      sync.Mutex
	wanted  []string           // sorted, what Follow was told last
	records map[string]*record // written by the owner only, under mu
}

// record is what the owner knows of one followed service.
type record struct {
	w      *watch
	cancel context.CancelFunc
	owned  bool // the watch has a connection of its own
	polls  bool // it needs none: it asks now and then

	service   *catalog.Service // nil before the first answer
	index     uint64
	since     time.Time // when it was first followed
	confirmed time.Time // when Consul last confirmed it, zero for never
	live      bool      // a query is in flight, or due, and the last one was believed
	unplaced  bool      // the service may look different once it is known where our agent runs
	changes   uint64
	held      string
	err       error
}

var _ catalog.Source = (*Source)(nil)

// New returns a source that asks nothing before Run. It fails when the client
// can't be built, or the token file or the TLS files can't be read.
func New(cfg Config) (*Source, error) {
	con, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	s := &Source{
		cfg: cfg, log: cfg.Logger, con: con, warn: newWarnings(cfg.Logger),
		events: make(chan event), poke: make(chan struct{}, 1),
		wake: newBell(), kick: newBell(),
		records: make(map[string]*record),
	}
	s.here.Store(&place{})
	s.probe = newProbe(cfg.Logger, con.leader, s.wake.strike)
	// Where the agent runs decides on loopback addresses.
	s.id = &identity{con: con, log: cfg.Logger, warn: s.warn, node: cfg.NodeName, here: &s.here, lost: s.probe.lost}
	s.share = newSharer(con, cfg.Logger)
	s.acl = newACL(con, s.warn)
	s.store = newStore(cfg.DataDir, cfg.Logger)
	return s, nil
}

// Name returns "consul".
func (s *Source) Name() string { return "consul" }

// Follow replaces the set of followed services.
func (s *Source) Follow(services []string) {
	names := slices.Clone(services)
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" })
	s.mu.Lock()
	s.wanted = names
	s.mu.Unlock()
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// Run follows the services until ctx is done.
func (s *Source) Run(ctx context.Context, feed *catalog.Feed) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	saved := s.store.load(s.cfg.Own)
	// A slow agent holds the watches up for a moment only.
	s.id.first(ctx, saved.here)
	wg.Go(func() { s.id.run(ctx, s.wake, s.kick) })
	wg.Go(func() { s.con.token.run(ctx, s.kick.strike) })
	wg.Go(func() { s.probe.run(ctx) })
	wg.Go(func() { s.share.run(ctx) })
	wg.Go(func() { s.acl.run(ctx) })
	wg.Go(func() { (&sentinel{con: s.con, log: s.log, restored: s.kick.strike}).run(ctx) })

	o := &owner{
		Source: s, feed: feed, saved: saved.services,
		start: func(f func()) { wg.Go(f) },
		snap:  &catalog.Snapshot{Source: s.Name(), Services: map[string]*catalog.Service{}},
	}
	save := time.NewTicker(saveInterval)
	defer save.Stop()
	for {
		select {
		case <-ctx.Done():
			o.save(time.Now())()
			return nil
		case <-s.poke:
			o.reconcile(ctx, time.Now())
		case e := <-s.events:
			o.apply(e)
		case now := <-save.C:
			if o.dirty || o.store.due(now) {
				wg.Go(o.save(now))
			}
		}
	}
}

// owner is the state of one Run; the goroutine that runs it alone touches it.
type owner struct {
	*Source
	feed  *catalog.Feed
	start func(func())
	saved map[string]*saved
	snap  *catalog.Snapshot
	dirty bool // something is known that is not on disk
}

// reconcile starts the watches that are wanted and missing, and stops the
// others.
func (o *owner) reconcile(ctx context.Context, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gone := false
	for name, r := range o.records {
		if _, ok := slices.BinarySearch(o.wanted, name); ok {
			continue
		}
		r.cancel()
		delete(o.records, name)
		o.share.drop(name)
		o.warn.clear(warnService + name)
		if r.service != nil {
			o.snap, gone = o.snap.Without(name), true
		}
		o.log.Info("service no longer followed", "service", name)
	}
	for _, name := range o.wanted {
		if o.records[name] == nil {
			o.followLocked(ctx, now, name)
		}
	}
	o.spreadLocked()
	o.warnManyLocked()
	if gone {
		o.dirty = true
		o.feed.Publish(o.snap)
	}
}

// followLocked starts the watch of a service that was not followed.
func (o *owner) followLocked(ctx context.Context, now time.Time, name string) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{
		name: name, con: o.con, rules: o.rules, emit: o.emit,
		wake: o.wake, kick: o.kick, probe: o.probe,
	}
	// That nobody offers a service through the mesh must be certain from the
	// first answer on: the gateway may go on to speak to it in clear.
	_, w.track.wary = catalog.CutMeshName(name)
	r := &record{w: w, cancel: cancel, since: now}
	run := w.run
	if query, is := catalog.CutQueryName(name); is {
		w.query, r.polls = query, true
		run = func(ctx context.Context) { w.poll(ctx, o.share.sem) }
	} else if r.owned = !o.con.plain || o.ownedLocked() < o.plainLimit(); !r.owned {
		w.share = o.share.add(name)
	}
	if s := o.saved[name]; s != nil {
		w.saved = s.service
	}
	o.records[name] = r
	o.start(func() { run(ctx) })
}

// spreadLocked gives connections that became free to watches that share.
func (o *owner) spreadLocked() {
	free := o.plainLimit() - o.ownedLocked()
	for _, name := range o.wanted {
		if r := o.records[name]; free > 0 && !r.owned && !r.polls {
			o.share.free(name)
			r.owned = true
			free--
		}
	}
}

// ownedLocked counts the watches that have a connection of their own.
func (o *owner) ownedLocked() int {
	n := 0
	for _, r := range o.records {
		if r.owned {
			n++
		}
	}
	return n
}

func (o *owner) rules() rules {
	return rules{here: *o.here.Load(), own: o.cfg.Own, checked: o.cfg.RequireServiceCheck, zoneMeta: o.cfg.ZoneMeta}
}

// emit hands an event to the owner. The watch that sends it waits until it is
// taken, so that what it knows and what is published never drift apart.
func (s *Source) emit(ctx context.Context, e event) {
	select {
	case <-ctx.Done():
	case s.events <- e:
	}
}

// apply takes in what a watch said.
func (o *owner) apply(e event) {
	name := e.from.name
	r := o.records[name]
	if r == nil || r.w != e.from {
		return // it was stopped while it spoke
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case e.err != nil:
		o.failed(r, e)
	case e.held != "":
		if r.held != e.held {
			o.log.Warn("empty answer held back, the last instances stay", "service", name, "index", e.index, "reason", e.held)
		}
		r.leave(e)
		r.held, r.err = e.held, nil
	default:
		o.answered(r, e)
	}
	o.acl.note(e)
}

func (o *owner) failed(r *record, e event) {
	if r.err == nil || errorKind(r.err) != errorKind(e.err) {
		level := hclog.Warn
		if unreachable(e.err) {
			level = hclog.Debug // the probe says it once for all services
		}
		o.log.Log(level, "service can't be read, its last instances stay", "service", e.from.name, "error", e.err)
	}
	r.leave(e)
	r.err = e.err
}

// leave marks the record as no longer confirmed by a query in flight. Until
// something went wrong the agent would have told of any change; where the
// deadline passed, nobody knows how long before.
func (r *record) leave(e event) {
	if !r.live {
		return
	}
	r.live = false
	r.confirmed = e.at
	if timedOut(e.err) {
		r.confirmed = e.sent
	}
}

func (o *owner) answered(r *record, e event) {
	name, old := e.from.name, r.service
	if r.err != nil || r.held != "" {
		o.log.Info("service is read again", "service", name, "index", e.index)
	}
	r.held, r.err, r.index, r.unplaced = "", nil, e.index, e.unplaced
	if e.service.Stale {
		if s := o.saved[name]; s != nil && s.service == e.service {
			r.confirmed = s.confirmed
		}
	} else {
		r.confirmed, r.live = e.at, true
	}
	if old != nil && old.Equal(e.service) && o.snap.Datacenter == o.con.own(*o.here.Load()) {
		return
	}
	r.service = e.service
	o.dirty = true
	if old == nil || !old.Equal(e.service) {
		if old != nil {
			r.changes++
		}
		logChange(o.log, old, e.service, e.index)
	}
	o.snap = o.snap.With(e.service)
	o.snap.Datacenter = o.con.own(*o.here.Load())
	o.feed.Publish(o.snap)
}

// save returns what writes the present state to disk, which may take a while.
func (o *owner) save(now time.Time) (write func()) {
	o.dirty = false
	services := make(map[string]*saved, len(o.records))
	for name, r := range o.records {
		if r.service == nil {
			if before := o.saved[name]; before != nil {
				services[name] = before
			}
			continue
		}
		at := r.confirmed
		if r.live {
			at = now
		}
		services[name] = &saved{service: r.service, confirmed: at}
	}
	here := *o.here.Load()
	return func() {
		if len(services) > 0 {
			o.store.save(now, here, services)
		}
	}
}

// errorKind tells errors apart for logging: by status, so that a text that
// differs each time does not fill the log.
func errorKind(err error) int {
	if errors.Is(err, context.DeadlineExceeded) {
		return -1
	}
	return statusCode(err)
}

// Status tells how current what is known is.
func (s *Source) Status() catalog.Status {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := catalog.Status{Services: make(map[string]catalog.ServiceStatus, len(s.wanted)), Warnings: s.warn.list()}
	var last time.Time
	for _, name := range s.wanted {
		r := s.records[name]
		if r == nil {
			st.Pending = append(st.Pending, name)
			continue
		}
		if r.service == nil && !(catalog.Elsewhere(name) && (r.err != nil || r.held != "")) || r.unplaced && s.placing() {
			st.Pending = append(st.Pending, name)
		}
		one := catalog.ServiceStatus{Index: r.index, Age: r.age(now), Changes: r.changes, Held: r.held, Err: r.err}
		st.Services[name] = one
		if catalog.Elsewhere(name) {
			// What another datacenter keeps to itself makes nothing else old.
			continue
		}
		st.Age = max(st.Age, one.Age)
		if r.err != nil && (st.Err == nil || r.confirmed.After(last)) {
			st.Err, last = r.err, r.confirmed
		}
	}
	return st
}

// placing reports whether services that are unplaced are about to be judged anew.
func (s *Source) placing() bool { return !s.id.told.Load() || s.here.Load().Node != "" }

// age is the time since Consul last confirmed the record; where it never did,
// since it was first asked to.
func (r *record) age(now time.Time) time.Duration {
	switch {
	case r.live:
		return 0
	case !r.confirmed.IsZero():
		return now.Sub(r.confirmed)
	}
	return now.Sub(r.since)
}

// logChange writes the one line of a change of content.
func logChange(log hclog.Logger, old, now *catalog.Service, index uint64) {
	if old == nil {
		log.Info("service followed", "service", now.Name, "index", index,
			"instances", len(now.Instances), "eligible", eligible(now), "stale", now.Stale)
		return
	}
	d := compare(old, now)
	if old.Stale && !now.Stale && d.none() {
		log.Info("service confirmed", "service", now.Name, "index", index, "instances", len(now.Instances))
		return
	}
	log.Info("service changed", "service", now.Name, "index", index,
		"instances", len(now.Instances), "eligible", eligible(now),
		"added", d.added, "removed", d.removed, "changed", d.changed)
}

func eligible(s *catalog.Service) int {
	n := 0
	for i := range s.Instances {
		if s.Instances[i].Eligible() {
			n++
		}
	}
	return n
}
