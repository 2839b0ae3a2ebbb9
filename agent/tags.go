package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/fabio"
	"github.com/lictor/lictor/catalog"
	"github.com/lictor/lictor/catalog/consul"
)

// tagRoutes are the routes that services ask for by their tags, as they do of
// fabio.
//
//	consul.TagWatch ──names──▶ find ──▶ the catalog's source follows them too
//	                                        │
//	the source's snapshots ──▶ take ◀───────┘
//	                            │ tags that changed
//	                            ▼
//	                   fabio.Build ──▶ latest ──▶ Reload ──▶ a generation with them
//
// What is newest is part of every reload, as policies in Consul's KV store are. A
// service is asked for by tags until both the list of services and the service
// itself say that there are none: only the latter is held when Consul's word can't
// be taken.
//
// A service whose tags changed stays as it was for the pools until the generation
// made of its new tags serves: a route for the instances with a tag would else be
// without any for a moment.
type tagRoutes struct {
	watch   *consul.TagWatch
	options fabio.Options
	dirty   chan struct{}    // capacity 1: there is something to take up, or to follow
	checked map[string]error // what is known of routes' texts; retag's alone

	// latest is the newest that tags amount to, never nil.
	latest atomic.Pointer[tagSet]
	// refusal is why a reload with the latest was refused, nil when it was not.
	refusal  atomic.Pointer[refusal]
	complete atomic.Bool // everything has been known once

	// applying is held while the pools are told, so that they hear of things in
	// their order. It is taken before mu, which is never held meanwhile.
	applying sync.Mutex

	mu      sync.Mutex
	source  *source
	found   map[string]bool   // by the list of services
	asked   []string          // followed for their tags, in the order of their coming
	over    int               // that are not asked, for there are too many
	snap    *catalog.Snapshot // the source's newest, nil before the first
	saved   bool              // there is a catalog of before to start with
	input   []fabio.Service   // what the tags are
	marks   map[string]string // of services in input, see mark
	pending map[string]bool   // services whose tags are not taken up yet
	stale   bool              // the source is to follow other services
}

// tagSet is what the tags of a catalog amount to.
type tagSet struct {
	result fabio.Result
	// texts are the routes of each service.
	texts map[string]string
}

// sources are the set's routes as policy texts.
func (t *tagSet) sources() []config.Source {
	var out []config.Source
	if t == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(t.texts)) {
		out = append(out, config.Source{Name: tagSourceName(name), Text: []byte(t.texts[name]), Remote: true, Last: true})
	}
	return out
}

// tagSourceName is what the tags of a service are called in diagnostics. It is
// quoted, so that no name of a service makes it look like another kind of text.
func tagSourceName(service string) string { return fmt.Sprintf("tags of %q", service) }

// FabioOptions says what the gateway can make of tags. The datacenter is what $DC
// stands for in them.
func FabioOptions(datacenter string) fabio.Options {
	o := ConfigOptions()
	return fabio.Options{
		Datacenter: datacenter,
		Step: func(name string) bool {
			return slices.ContainsFunc(o.StepBlocks, func(s config.StepBlock) bool { return s.Type == name })
		},
		Check: func(text string) error {
			_, _, diags := config.LoadPolicies(o, nil, config.Source{Name: "tag", Text: []byte(text), Remote: true, Last: true})
			for _, d := range diags {
				if d.Severity == hcl.DiagError {
					return errors.New(d.Summary + ": " + d.Detail)
				}
			}
			return nil
		},
	}
}

// FabioServices returns what a snapshot says of the services' tags. Proxies and
// gateways of the mesh are left out: they carry the tags of the services they stand
// for, and speak to nobody in clear.
func FabioServices(services map[string]*catalog.Service, names []string) []fabio.Service {
	var out []fabio.Service
	for _, name := range names {
		v := services[name]
		if v == nil {
			continue
		}
		s := fabio.Service{Name: name}
		for i := range v.Instances {
			if in := &v.Instances[i]; in.Kind == "" {
				s.Instances = append(s.Instances, fabio.Instance{Key: in.Key, Tags: in.Tags})
			}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b fabio.Service) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// openTags returns nil when tags make no routes.
func (a *Agent) openTags(c *config.Config) (*tagRoutes, error) {
	if c.Consul == nil || !c.Consul.FabioTags {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	in := a.consulConfig(c)
	in.Logger = a.log.Named("tags")
	w, err := consul.NewTagWatch(in, fabio.Is)
	if err != nil {
		return nil, fmt.Errorf("opening the services' tags: %w", err)
	}
	t := &tagRoutes{
		watch: w, options: FabioOptions(c.Consul.Datacenter), dirty: make(chan struct{}, 1),
		found: map[string]bool{}, checked: map[string]error{}, marks: map[string]string{}, pending: map[string]bool{},
	}
	t.latest.Store(&tagSet{})
	check := t.options.Check
	t.options.Check = func(text string) error {
		err, known := t.checked[text]
		if !known {
			err = check(text)
			t.checked[text] = err
		}
		return err
	}
	return t, nil
}

// services are those that are followed for their tags. It may be called on nil.
func (t *tagRoutes) services() []string {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.asked)
}

// current is the newest that tags amount to. It may be called on nil.
func (t *tagRoutes) current() *tagSet {
	if t == nil {
		return nil
	}
	return t.latest.Load()
}

// followTags finds services by their tags until ctx is done.
func (a *Agent) followTags(ctx context.Context) {
	t := a.tags
	if t == nil {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { a.retag(ctx) })
	saved := t.watch.Saved()
	t.mu.Lock()
	t.saved = len(saved) > 0
	t.mu.Unlock()
	t.find(saved)
	t.watch.Run(ctx, t.find)
}

func (t *tagRoutes) poke() {
	select {
	case t.dirty <- struct{}{}:
	default:
	}
}

// find takes in which services have tags by the list of all services.
func (t *tagRoutes) find(names []string) {
	t.mu.Lock()
	t.found = make(map[string]bool, len(names))
	for _, n := range names {
		// Names with marks stand for something else: a service in the mesh or in
		// another datacenter, or what a prepared query finds.
		if !strings.Contains(n, "@") {
			t.found[n] = true
		}
	}
	t.sortOutLocked()
	t.mu.Unlock()
	t.poke()
}

// sortOutLocked decides which services are followed for their tags. Who is followed
// already is not crowded out by others.
func (t *tagRoutes) sortOutLocked() {
	before := slices.Clone(t.asked)
	t.asked = slices.DeleteFunc(t.asked, func(n string) bool {
		if t.found[n] {
			return false
		}
		if t.snap == nil {
			return true
		}
		v := t.snap.Services[n]
		return v == nil || !slices.ContainsFunc(v.Instances, func(in catalog.Instance) bool { return slices.ContainsFunc(in.Tags, fabio.Is) })
	})
	t.over = 0
	for _, n := range slices.Sorted(maps.Keys(t.found)) {
		switch {
		case slices.Contains(t.asked, n):
		case len(t.asked) >= fabio.MaxServices:
			t.over++
		default:
			t.asked = append(t.asked, n)
		}
	}
	t.stale = t.stale || !slices.Equal(before, t.asked)
}

// applyTo takes in what the catalog says now, and has the pools know it, but for the
// services that wait for their routes.
func (t *tagRoutes) applyTo(a *Agent, s *source, snap *catalog.Snapshot) {
	t.applying.Lock()
	defer t.applying.Unlock()
	a.apply(s, t.take(s, snap))
}

// take takes in what the catalog says now, and returns what of it the pools may know.
func (t *tagRoutes) take(s *source, snap *catalog.Snapshot) *catalog.Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source, t.snap = s, snap
	t.sortOutLocked()
	t.input = FabioServices(snap.Services, t.asked)
	gone := maps.Clone(t.marks) // which retag may hold
	t.marks = make(map[string]string, len(t.input))
	for i := range t.input {
		v := &t.input[i]
		now := mark(v)
		if before, known := gone[v.Name]; !known || before != now {
			t.pending[v.Name] = true
		}
		t.marks[v.Name] = now
		delete(gone, v.Name)
	}
	for name := range gone {
		t.pending[name] = true
	}
	if t.stale || len(t.pending) > 0 {
		t.poke()
	}
	return t.holdLocked(snap, s.applied.Load())
}

// holdLocked leaves services as the pools know them whose tags are not taken up yet.
func (t *tagRoutes) holdLocked(snap, applied *catalog.Snapshot) *catalog.Snapshot {
	for name := range t.pending {
		if applied != nil && applied.Services[name] != nil && snap.Services[name] != nil {
			snap = snap.With(applied.Services[name])
		}
	}
	return snap
}

// mark is another one when the tags of a service may make other routes. It is the
// same when instances come or go that are like others.
func mark(s *fabio.Service) string {
	lists := map[string]int{}
	for _, in := range s.Instances {
		var own []string
		for _, t := range in.Tags {
			if fabio.Is(t) {
				own = append(own, strconv.Quote(t))
			}
		}
		slices.Sort(own)
		lists[strings.Join(own, " ")]++
	}
	var b strings.Builder
	for _, l := range slices.Sorted(maps.Keys(lists)) {
		b.WriteString(l)
		if len(lists) > 1 {
			fmt.Fprintf(&b, " *%d", lists[l])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

const (
	// mostChecked bounds what is remembered of routes' texts.
	mostChecked = 2 * fabio.MaxRoutes
	// retagFloor is the least time between two times that tags are taken up. It is
	// longer where that takes long: who changes his tags all the time shall not keep
	// a processor busy.
	retagFloor = 200 * time.Millisecond
	retagShare = 4
)

// rebuild makes routes of tags.
func (t *tagRoutes) rebuild(a *Agent, input []fabio.Service) *tagSet {
	if len(t.checked) > mostChecked {
		clear(t.checked)
	}
	next := &tagSet{result: fabio.Build(input, t.options), texts: map[string]string{}}
	for _, r := range next.result.Routes {
		next.texts[r.Service] += r.Text()
	}
	last := t.latest.Swap(next)
	a.warnTags(last.result.Warnings, next.result.Warnings)
	return next
}

// retag has routes and the catalog follow the tags until ctx is done.
func (a *Agent) retag(ctx context.Context) {
	t := a.tags
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.dirty:
		}
		begun := time.Now()
		a.refollow()
		t.mu.Lock()
		changed, input, marks := len(t.pending) > 0, t.input, t.marks
		t.mu.Unlock()
		if !changed {
			continue
		}
		t.refusal.Store(nil)
		if set := t.rebuild(a, input); !set.same(a.current.Load().tags) {
			_, _ = a.Reload() // it has logged what is wrong
		}
		t.release(a, marks)
		rest := time.NewTimer(max(retagFloor, retagShare*time.Since(begun)))
		select {
		case <-ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

// same reports whether both make the same routes.
func (t *tagSet) same(o *tagSet) bool {
	if t == nil || o == nil {
		return t == o || t == nil && len(o.texts) == 0 || o == nil && len(t.texts) == 0
	}
	return maps.Equal(t.texts, o.texts)
}

// refollow tells the source of the services that are followed for their tags.
func (a *Agent) refollow() {
	t := a.tags
	t.mu.Lock()
	stale := t.stale
	t.stale = false
	t.mu.Unlock()
	if !stale {
		return
	}
	a.reloading.Lock() // which follows too, for another generation
	defer a.reloading.Unlock()
	g := a.current.Load()
	for _, s := range a.sources {
		s.Follow(s.asked(g))
	}
}

// release lets the pools know of the services whose tags have been taken up, or
// refused, as they were when they had these marks.
func (t *tagRoutes) release(a *Agent, marks map[string]string) {
	t.applying.Lock()
	defer t.applying.Unlock()
	t.mu.Lock()
	for name := range t.pending {
		was, known := marks[name]
		if now, still := t.marks[name]; known == still && was == now {
			delete(t.pending, name)
		}
	}
	s := t.source
	snap := t.holdLocked(t.snap, s.applied.Load())
	t.mu.Unlock()
	a.apply(s, snap)
}

// warnTags tells of what is wrong with tags, once.
func (a *Agent) warnTags(before, now []fabio.Warning) {
	told := map[string]bool{}
	for i := range before {
		told[before[i].String()] = true
	}
	n := 0
	for i := range now {
		w := &now[i]
		if told[w.String()] {
			continue
		}
		if n++; n <= mostTagWarnings {
			a.log.Warn("tag of a service", "service", w.Service, "instance", w.Instance, "tag", w.Tag, "detail", w.Text)
		}
	}
	if n > mostTagWarnings {
		a.log.Warn("more is wrong with tags of services; lictor validate -fabio lists all", "more", n-mostTagWarnings)
	}
}

// mostTagWarnings bounds what is told of tags at once.
const mostTagWarnings = 20

// refused takes note of routes that could not be taken up. It may be called on nil.
func (t *tagRoutes) refused(err error) {
	if t != nil {
		t.refusal.Store(newRefusal(err))
	}
}

// notReady is why the gateway should get no traffic, "" when it should. That all
// tags have been known and taken up once is latched.
func (t *tagRoutes) notReady(g *generation) string {
	if t == nil || t.complete.Load() {
		return ""
	}
	s := t.watch.Status()
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := 0
	for _, n := range t.asked {
		if t.snap == nil || t.snap.Services[n] == nil {
			waiting++
		}
	}
	switch {
	case !s.Known && !t.saved:
		why := "consul has not told yet which services have tags for routes"
		if s.Held != "" {
			why += ": " + s.Held
		} else if s.Err != nil {
			why += ": " + s.Err.Error()
		}
		return why
	case waiting > 0:
		return fmt.Sprintf("consul has not answered yet for %d of the services with tags for routes", waiting)
	case len(t.pending) > 0 || !t.latest.Load().same(g.tags) && t.refusal.Load() == nil:
		return "the routes of services' tags are being taken up"
	}
	t.complete.Store(true)
	return ""
}

// warnings are the conditions that need a person.
func (t *tagRoutes) warnings() []string {
	if t == nil {
		return nil
	}
	var out []string
	switch s := t.watch.Status(); {
	case s.Held != "":
		out = append(out, "the list of services is not believed: "+s.Held)
	case s.Err != nil:
		out = append(out, "the services' tags can't be read: "+s.Err.Error())
	}
	if r := t.refusal.Load(); r != nil {
		out = append(out, "the newest routes of services' tags are refused, the ones before stay: "+r.line)
	}
	t.mu.Lock()
	over := t.over
	t.mu.Unlock()
	if over > 0 {
		out = append(out, fmt.Sprintf("%d services with tags for routes are left out: at most %d are followed", over, fabio.MaxServices))
	}
	all := t.latest.Load().result.Warnings
	for i := range all[:min(len(all), mostTagWarnings)] {
		out = append(out, "tag of a service: "+all[i].String())
	}
	if more := len(all) - mostTagWarnings; more > 0 {
		out = append(out, fmt.Sprintf("%d more warnings of tags; lictor validate -fabio lists all", more))
	}
	return out
}
