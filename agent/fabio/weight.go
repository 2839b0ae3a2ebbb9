package fabio

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a route that divides its requests by weight.
const (
	// maxShares is how many tags may share the requests of one host and path.
	maxShares = 32
	// slots is what weights are parts of, as in fabio: nothing is less than one.
	slots = 10_000
	// mostWeight bounds a tag's weight.
	mostWeight = 1e6
)

// Share is one of those among whom a route divides its requests.
type Share struct {
	Service string
	Weight  int
	// Tags narrows the service to the instances that carry the tag; none when all do.
	Tags []string
}

// weight reads what part of a host and path's requests each instance with the tag is to
// get. 0 and less is as if it were not there.
func (tr *translator) weight(v string) {
	w, err := strconv.ParseFloat(v, 64)
	switch {
	case err != nil || math.IsNaN(w) || w > mostWeight:
		tr.note("weight=%s is left out: it is a part of all requests, such as 0.1", v)
	case w > 0:
		tr.route.weight = w
	}
}

// claim is what one service asks for by a host and path.
type claim struct {
	service *Service
	of      *variant
}

// part is one tag of those that share a host and path, and the instances that count for
// it.
type part struct {
	share   Share
	tag     string
	who     []string // carry it
	weight  float64  // of each instance; 0 for what the others leave
	all, up int      // instances
}

// divide makes one route of what services ask for by the same host and path, of which
// at least one has a weight, and warns of those that it is not made of.
func (b *builder) divide(claims []*claim) {
	lead := claims[0]
	does := lead.of.route.does()
	var parts []*part
	for _, c := range claims {
		switch {
		case c.of.route.does() != does:
			b.alone(c, "no route is made of it: the service %q, by its tag %q, has the same host and path with other options; requests are shared by weight where all options but that are the same", lead.service.Name, lead.of.tags[0])
		case !labels(c.service.Name):
			b.alone(c, "requests are not shared by weight with a service of such a name")
		default:
			parts = append(parts, c.parts()...)
		}
	}
	for _, p := range parts[min(len(parts), maxShares):] {
		b.holders = map[string][]string{p.tag: p.who}
		b.warn(p.share.Service, p.tag, "no requests go there by it: %d tags share this host and path by weight, the first %d count, in the alphabet of services", len(parts), maxShares)
	}
	parts = parts[:min(len(parts), maxShares)]
	if len(parts) < 2 {
		b.single(lead)
		return
	}
	weigh(parts)
	r := *lead.of.route
	for _, p := range parts {
		r.Split = append(r.Split, p.share)
		if p.share.Weight == 0 && p.all > 0 {
			b.holders = map[string][]string{p.tag: p.who}
			b.warn(p.share.Service, p.tag, "no requests go there by it, as in fabio: the weights of others by the same host and path add up to 1 or more")
		}
	}
	if err := b.options.Check(r.Text()); err != nil {
		b.alone(lead, "its requests are not shared by weight: %s", err)
		b.single(lead)
		return
	}
	b.of = setRoute(b.of, &r, lead.of.carriers[lead.of.tags[0]])
	b.result.Routes = append(b.result.Routes, &r)
}

// alone warns of a claim that shares nothing.
func (b *builder) alone(c *claim, format string, args ...any) {
	b.holders = c.of.carriers
	b.warn(c.service.Name, c.of.tags[0], format, args...)
}

// labels reports whether a name can be a label of a block as it is.
func labels(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return c <= ' ' || c == 0x7f || strings.ContainsRune("\"\\$%", c)
	})
}

// parts returns what the claim's tags are to get, one for each tag that no other one of
// the same weight stands for on the same instances.
func (c *claim) parts() []*part {
	var out []*part
	counted := map[float64][]string{}
	for _, tag := range c.of.tags {
		p := &part{share: Share{Service: c.service.Name, Tags: []string{tag}}, tag: tag, who: c.of.carriers[tag], weight: c.of.weights[tag]}
		for _, in := range c.service.Instances {
			if !slices.Contains(in.Tags, tag) || slices.Contains(counted[p.weight], in.Key) {
				continue
			}
			counted[p.weight] = append(counted[p.weight], in.Key)
			if p.all++; !in.Out {
				p.up++
			}
		}
		if p.all > 0 {
			out = append(out, p)
		}
	}
	if len(out) == 1 && out[0].all == len(c.service.Instances) {
		out[0].share.Tags = nil
	}
	return out
}

// weigh gives every part its weight, as fabio does: each instance that has a weight
// gets that part of the requests, and the others the rest in equal parts; weights are
// brought to one where they add up to more, or nobody is without. Only those count that
// are up. A part that has none of these is as if all its instances were up: it gets
// nothing meanwhile.
func weigh(parts []*part) {
	up, all := portions(parts, func(p *part) int { return p.up }), portions(parts, func(p *part) int { return p.all })
	whole := 100
	for i, p := range parts {
		portion := up[i]
		if p.up == 0 {
			portion = all[i]
		}
		p.share.Weight = int(math.Round(slots * portion))
		if p.share.Weight == 0 && portion > 0 {
			p.share.Weight = 1
		}
		if p.share.Weight%whole != 0 {
			whole = 1
		}
	}
	for _, p := range parts { // of a hundred, where that says it
		p.share.Weight /= whole
	}
}

// portions returns the part of all requests that each part gets, by how many of its
// instances count.
func portions(parts []*part, count func(*part) int) []float64 {
	fixed, others := 0.0, 0
	for _, p := range parts {
		if p.weight > 0 {
			fixed += p.weight * float64(count(p))
		} else {
			others += count(p)
		}
	}
	scale, each := 1.0, 0.0
	if fixed > 1 || others == 0 {
		scale = 1 / fixed
	}
	if others > 0 {
		each = max(0, 1-fixed) / float64(others)
	}
	out := make([]float64, len(parts))
	for i, p := range parts {
		if n := float64(count(p)); n > 0 {
			out[i] = n * cmp.Or(p.weight*scale, each)
		}
	}
	return out
}
