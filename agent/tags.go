package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

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
	dirty   chan struct{} // capacity 1: there is something to reload, or to follow

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
	input   []fabio.Service   // what latest was made of
	checked map[string]error  // what is known of routes' texts
	pending map[string]bool   // services that stay as they were for the pools
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
		found: map[string]bool{}, checked: map[string]error{}, pending: map[string]bool{},
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
	a.apply(s, t.take(a, s, snap))
}

// take takes in what the catalog says now, and returns what of it the pools may know.
func (t *tagRoutes) take(a *Agent, s *source, snap *catalog.Snapshot) *catalog.Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source, t.snap = s, snap
	t.sortOutLocked()
	input := FabioServices(snap.Services, t.asked)
	if !slices.EqualFunc(input, t.input, sameTags) {
		t.input = input
		t.buildLocked(a)
	}
	if t.stale {
		t.poke()
	}
	applied := s.applied.Load()
	for name := range t.pending {
		if applied == nil || applied.Services[name] == nil {
			continue
		}
		snap = snap.With(applied.Services[name])
	}
	return snap
}

func sameTags(a, b fabio.Service) bool {
	return a.Name == b.Name && slices.EqualFunc(a.Instances, b.Instances, func(x, y fabio.Instance) bool {
		return x.Key == y.Key && slices.Equal(x.Tags, y.Tags)
	})
}

// mostChecked bounds what is remembered of routes' texts.
const mostChecked = 4 * fabio.MaxRoutes

// buildLocked makes routes of the tags as they are, and has them taken up if they
// are others than before.
func (t *tagRoutes) buildLocked(a *Agent) {
	if len(t.checked) > mostChecked {
		clear(t.checked)
	}
	next := &tagSet{result: fabio.Build(t.input, t.options), texts: map[string]string{}}
	for _, r := range next.result.Routes {
		next.texts[r.Service] += r.Text()
	}
	last := t.latest.Swap(next)
	a.warnTags(last.result.Warnings, next.result.Warnings)
	if maps.Equal(last.texts, next.texts) {
		next.texts = last.texts
		return
	}
	for name, text := range next.texts {
		if last.texts[name] != text {
			t.pending[name] = true
		}
	}
	for name := range last.texts {
		if _, still := next.texts[name]; !still {
			t.pending[name] = true
		}
	}
	t.refusal.Store(nil)
	t.poke()
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
		a.refollow()
		set := t.latest.Load()
		if !set.same(a.current.Load().tags) {
			_, _ = a.Reload() // it has logged what is wrong
		}
		t.release(a, set)
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
// have been refused.
func (t *tagRoutes) release(a *Agent, taken *tagSet) {
	t.applying.Lock()
	defer t.applying.Unlock()
	t.mu.Lock()
	wait := t.latest.Load() != taken || len(t.pending) == 0 || t.source == nil
	if !wait {
		clear(t.pending)
	}
	s, snap := t.source, t.snap
	t.mu.Unlock()
	if !wait {
		a.apply(s, snap)
	}
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
	case !t.latest.Load().same(g.tags) && t.refusal.Load() == nil:
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
