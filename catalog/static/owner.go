package static

import (
	"context"
	"fmt"
	"slices"

	"github.com/lictor/lictor/catalog"
)

// owner is the state of one Run; the goroutine that runs it alone touches it.
type owner struct {
	*Source
	feed  *catalog.Feed
	start func(func())
	snap  *catalog.Snapshot
	of    map[*checker]string // the service that a checker at work pings for
}

// reconcile brings the checkers in line with what is wanted and configured.
func (o *owner) reconcile(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.snap
	for name, f := range o.state {
		if _, ok := slices.BinarySearch(o.wanted, name); !ok {
			for _, k := range f.checkers {
				o.stop(k)
			}
			delete(o.state, name)
			delete(o.changes, name)
			o.snap = o.snap.Without(name)
		}
	}
	for _, name := range o.wanted {
		f := o.state[name]
		if f == nil {
			f = &followed{checkers: make(map[string]*checking)}
			o.state[name] = f
		}
		o.adopt(ctx, f, name, o.specs[name])
		o.renew(f, name)
	}
	if o.snap != before {
		o.feed.Publish(o.snap)
	}
}

// adopt makes spec the service's, keeping the checkers that ping as before.
func (o *owner) adopt(ctx context.Context, f *followed, name string, spec Spec) {
	same := f.spec.Check.equal(spec.Check)
	keep := make(map[string]bool, len(spec.Instances))
	for _, in := range spec.Instances {
		keep[in.key()] = same && spec.Check != nil
	}
	for key, k := range f.checkers {
		if !keep[key] {
			o.stop(k)
			delete(f.checkers, key)
		}
	}
	f.spec = spec
	if spec.Check == nil {
		return
	}
	for _, in := range spec.Instances {
		key := in.key()
		if f.checkers[key] != nil || o.reach.RefuseHost(in.Address, in.Port) != "" {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		c := &checker{target: key, check: *spec.Check, ping: o.ping, emit: o.emit}
		f.checkers[key] = &checking{c: c, cancel: cancel}
		o.of[c] = name
		o.start(func() { c.run(ctx) })
	}
}

func (o *owner) stop(k *checking) {
	k.cancel()
	delete(o.of, k.c)
}

// apply takes in the result of a ping.
func (o *owner) apply(r result) {
	name, ok := o.of[r.from]
	if !ok {
		return // it was stopped meanwhile
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.state[name]
	k := f.checkers[r.from.target]
	was := k.tally.is
	k.tally = k.tally.add(r.err == nil, r.from.check.HealthyAfter, r.from.check.UnhealthyAfter)
	k.output = ""
	if r.err != nil {
		k.output = describe(r.err, r.from.check)
	}
	if k.tally.is != was {
		o.logStanding(name, r.from.target, was, k)
	}
	if before := o.snap; o.renew(f, name) && o.snap != before {
		o.feed.Publish(o.snap)
	}
}

func (o *owner) logStanding(service, instance string, was standing, k *checking) {
	switch {
	case k.tally.is == unhealthy:
		o.log.Warn("instance is critical", "service", service, "instance", instance, "error", k.output)
	case was == unhealthy:
		o.log.Info("instance is passing", "service", service, "instance", instance)
	default:
		o.log.Debug("instance is passing", "service", service, "instance", instance)
	}
}

// renew rebuilds the service and reports whether its content changed. The
// snapshot is replaced, not published.
func (o *owner) renew(f *followed, name string) bool {
	now := o.build(f, name)
	if f.service.Equal(now) {
		return false
	}
	if f.service != nil {
		o.changes[name]++
	}
	f.service = now
	o.snap = o.snap.With(now)
	return true
}

func (o *owner) build(f *followed, name string) *catalog.Service {
	s := &catalog.Service{Name: name}
	for _, spec := range f.spec.Instances {
		in := catalog.Instance{
			Key: spec.key(), ID: spec.key(), Address: spec.Address, Port: spec.Port, Local: true,
			Weight: spec.Weight, Tags: spec.Tags, Meta: spec.Meta,
		}
		if why := o.reach.RefuseHost(in.Address, in.Port); why != "" {
			in.Ineligible = fmt.Sprintf("its address %q port %d is refused: %s", in.Address, in.Port, why)
		} else if k := f.checkers[in.Key]; k != nil {
			k.tell(&in)
		}
		s.Instances = append(s.Instances, in)
	}
	return s
}

// tell writes what the checker knows into the instance. A failure that does not
// count yet is left out: the instance is as it was.
func (k *checking) tell(in *catalog.Instance) {
	switch k.tally.is {
	case unknown:
		in.Health, in.Ineligible = catalog.Critical, "not checked yet"
	case unhealthy:
		in.Health, in.Ineligible = catalog.Critical, "critical"
		in.Output = k.output
	}
}
