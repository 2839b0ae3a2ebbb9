package agent

import (
	"fmt"

	"github.com/lictor/lictor/agent/fabio"
)

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
