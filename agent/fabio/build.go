package fabio

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lictor/lictor/proxy/router"
)

// Bounds on what tags can ask for. What is beyond them is left out, and told of.
const (
	// MaxServices is how many services may have routes by their tags.
	MaxServices = 1000
	// MaxRoutes is how many such routes there may be, of all services together.
	MaxRoutes = 5000
	// maxTags is how many tags of one service are looked at.
	maxTags = 100
)

// Service is one service with the tags of its instances, healthy or not.
type Service struct {
	Name      string
	Instances []Instance
}

// Instance is one instance: what it is called, and its tags.
type Instance struct {
	Key  string
	Tags []string
	// Out says that it gets no requests now, so that it does not count where requests
	// are divided by the number of instances.
	Out bool
}

// Options say what routes may be made of.
type Options struct {
	// Datacenter is what $DC stands for, empty for not known.
	Datacenter string
	// Step reports whether the gateway has a block of that name in a route.
	Step func(name string) bool
	// Check reads a route's policy text, and returns what is wrong with it.
	Check func(text string) error
}

// Warning is something about a tag that people should know.
type Warning struct {
	Service string
	// Instance is one that carries the tag, by its key, and Others how many more do.
	Instance string
	Others   int
	// Tag is empty for what concerns the service.
	Tag  string
	Text string
}

// String is the warning in one line. What is registered can't break it.
func (w *Warning) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "service %q", w.Service)
	if w.Instance != "" {
		fmt.Fprintf(&b, ", instance %q", w.Instance)
	}
	if w.Others > 0 {
		fmt.Fprintf(&b, " and %d more", w.Others)
	}
	if w.Tag != "" {
		tag := w.Tag
		if len(tag) > maxTag {
			tag = tag[:maxTag] + "..."
		}
		fmt.Fprintf(&b, ", tag %q", tag)
	}
	return b.String() + ": " + w.Text
}

// Result is what the tags of a catalog amount to.
type Result struct {
	// Routes are in the order of their services, then of their names. No two ask for
	// the same.
	Routes []*Route
	// Warnings are in the order of services and tags.
	Warnings []Warning
}

// Build makes routes of the tags of services. The same services give the same
// routes, whatever their order and that of their instances: where two services ask
// for the same host and path, the one whose name is first in the alphabet has it, or
// they share it where a tag has a weight.
func Build(services []Service, o Options) Result {
	services = slices.SortedFunc(slices.Values(services), func(a, b Service) int { return strings.Compare(a.Name, b.Name) })
	b := &builder{options: o}
	for i := range services {
		b.service(&services[i])
	}
	b.share()
	b.settle()
	return b.result
}

type builder struct {
	options Options
	result  Result
	holders map[string][]string // of the service at hand: who carries a tag, sorted
	of      map[*Route][]string // who carries the route's tags
	claims  []*claim            // in the order of services, then of what they match
}

func (b *builder) warn(service, tag, format string, args ...any) {
	w := Warning{Service: service, Tag: tag, Text: fmt.Sprintf(format, args...)}
	if who := b.holders[tag]; len(who) > 0 {
		w.Instance, w.Others = who[0], len(who)-1
	}
	b.result.Warnings = append(b.result.Warnings, w)
}

// service adds the routes of one service.
func (b *builder) service(s *Service) {
	b.holders = map[string][]string{}
	for _, in := range s.Instances {
		for _, t := range in.Tags {
			if Is(t) && !slices.Contains(b.holders[t], in.Key) {
				b.holders[t] = append(b.holders[t], in.Key)
			}
		}
	}
	tags := slices.Sorted(maps.Keys(b.holders))
	if len(tags) == 0 {
		return
	}
	for _, who := range b.holders {
		slices.Sort(who)
	}
	if len(tags) > maxTags {
		b.warn(s.Name, "", "it has %d tags for routes, the first %d in the alphabet count", len(tags), maxTags)
		tags = tags[:maxTags]
	}
	variants := map[string][]*variant{} // by what they match
	var order []string
	for _, text := range tags {
		r := b.route(s.Name, text)
		if r == nil {
			continue
		}
		at := r.Name // of the service, the host and the path
		if len(variants[at]) == 0 {
			order = append(order, at)
		}
		body := r.body()
		i := slices.IndexFunc(variants[at], func(v *variant) bool { return v.body == body })
		if i < 0 {
			variants[at] = append(variants[at], &variant{body: body, route: r})
			i = len(variants[at]) - 1
		}
		variants[at][i].add(text, b.holders[text], r.weight)
	}
	slices.Sort(order)
	for _, at := range order {
		b.choose(s, variants[at])
	}
}

// variant is what some tags of a service mean alike by a host and path.
type variant struct {
	body     string
	route    *Route
	tags     []string
	who      map[string]bool
	carriers map[string][]string // of each tag
	weights  map[string]float64  // of each tag
}

func (v *variant) add(tag string, who []string, weight float64) {
	v.tags = append(v.tags, tag)
	if v.who == nil {
		v.who, v.carriers, v.weights = map[string]bool{}, map[string][]string{}, map[string]float64{}
	}
	v.carriers[tag], v.weights[tag] = who, weight
	for _, w := range who {
		v.who[w] = true
	}
}

// route makes a route of one tag, by itself.
func (b *builder) route(service, text string) *Route {
	t, err := Parse(text, b.options.Datacenter)
	if err != nil {
		b.warn(service, text, "no route is made of it: %s", err)
		return nil
	}
	r, notes := translate(service, &t, b.options.Step)
	for _, n := range notes {
		b.warn(service, text, "%s", n)
	}
	if r == nil {
		return nil
	}
	r.Name = r.name()
	if err := b.options.Check(r.Text()); err != nil {
		b.warn(service, text, "no route is made of it: %s", err)
		return nil
	}
	return r
}

// choose decides what counts of what tags of a service say of one host and path. What
// most instances say counts, and of two the tag that is first in the alphabet.
func (b *builder) choose(s *Service, all []*variant) {
	best := slices.MaxFunc(all, func(x, y *variant) int {
		return cmp.Or(cmp.Compare(len(x.who), len(y.who)), strings.Compare(y.tags[0], x.tags[0]))
	})
	for _, v := range all {
		if v != best {
			b.warn(s.Name, v.tags[0], "the same host and path has other options in the tag %q, which more instances carry or which is first: that one counts, and its instances get the requests", best.tags[0])
		}
	}
	b.claims = append(b.claims, &claim{s, best})
}

// share makes routes of what has been chosen: one for each service, host and path, or
// one for all services where any of them has a weight.
func (b *builder) share() {
	at := map[string][]*claim{} // by what they match
	for _, c := range b.claims {
		where := c.of.route.where()
		at[where] = append(at[where], c)
	}
	for _, c := range b.claims {
		all := at[c.of.route.where()]
		switch weighted := slices.ContainsFunc(all, (*claim).weighted); {
		case !weighted:
			b.single(c)
		case c == all[0]:
			b.divide(all)
		}
	}
}

func (c *claim) weighted() bool {
	return slices.ContainsFunc(c.of.tags, func(tag string) bool { return c.of.weights[tag] > 0 })
}

// single makes a route of what one service asks for.
func (b *builder) single(c *claim) {
	best, r := c.of, c.of.route
	b.holders = best.carriers
	switch {
	case len(best.who) == len(c.service.Instances):
	case len(best.tags) == 1:
		r.Tags = best.tags
	default:
		b.warn(c.service.Name, best.tags[0], "tags of several spellings mean this route, so that instances without any of them get requests too")
	}
	b.of = setRoute(b.of, r, best.carriers[best.tags[0]])
	b.result.Routes = append(b.result.Routes, r)
}

func setRoute(m map[*Route][]string, r *Route, who []string) map[*Route][]string {
	if m == nil {
		m = map[*Route][]string{}
	}
	m[r] = who
	return m
}

// settle takes away what asks for the same as another route, and what is beyond the
// bounds. The router says what is the same.
func (b *builder) settle() {
	routes := b.result.Routes
	slices.SortStableFunc(routes, func(x, y *Route) int {
		return cmp.Or(strings.Compare(x.Service, y.Service), strings.Compare(x.Name, y.Name))
	})
	for {
		rules := make([]router.Rule, len(routes))
		for i, r := range routes {
			rules[i] = r.rule()
		}
		_, err := router.New(rules)
		faults, ok := errors.AsType[router.RuleErrors](err)
		if !ok {
			break
		}
		gone := map[int]bool{}
		for _, f := range faults {
			if gone[f.Rule] {
				continue
			}
			r := routes[f.Rule]
			text := "no route is made of it: " + f.Err.Error()
			if same, ok := errors.AsType[*router.ConflictError](f.Err); ok {
				other := routes[same.Other]
				if gone[same.Other] {
					continue // it may be free
				}
				text = fmt.Sprintf("no route is made of it: the same host and path is that of the service %q by its tag %q; the first service in the alphabet has it", other.Service, other.Of)
			}
			gone[f.Rule] = true
			b.holders = map[string][]string{r.Of: b.of[r]}
			b.warn(r.Service, r.Of, "%s", text)
		}
		var left []*Route
		for i, r := range routes {
			if !gone[i] {
				left = append(left, r)
			}
		}
		routes = left
	}
	if len(routes) > MaxRoutes {
		b.holders = nil
		b.warn(routes[MaxRoutes].Service, "", "there are %d routes by tags, the first %d count, in the alphabet of services", len(routes), MaxRoutes)
		routes = routes[:MaxRoutes]
	}
	b.result.Routes = routes
	slices.SortStableFunc(b.result.Warnings, func(x, y Warning) int {
		return cmp.Or(strings.Compare(x.Service, y.Service), strings.Compare(x.Tag, y.Tag))
	})
}

// rule is what the route matches.
func (r *Route) rule() router.Rule {
	v := router.Rule{Name: r.Name, PathPrefix: r.PathPrefix, PathRegex: r.PathRegex, Last: true}
	if r.Host != "" {
		v.Hosts = []string{r.Host}
	}
	return v
}
