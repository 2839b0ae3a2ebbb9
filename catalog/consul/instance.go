package consul

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

const (
	// maxOutput bounds what is kept of a check's output, in bytes.
	maxOutput = 512
	// maxWeight is Consul's own bound.
	maxWeight = 65535
)

// place is where the agent that we ask runs. The zero value is not known.
type place struct {
	Node       string
	Datacenter string
}

// rules turn Consul's entries into instances. They are a value without state:
// the same entries give the same instances.
type rules struct {
	here place
	own  func(netip.AddrPort) bool
	// datacenter is the one that the entries are from, where it is not our own.
	datacenter string
	// judged says that whose checks fail has been sorted out already.
	judged bool
	// zoneMeta is the key of node metadata that holds a zone, empty for none.
	zoneMeta string
	// checked demands a service-level check of each instance; see check.go.
	checked bool
}

// instances returns the instances in order of their keys. Entries without a
// node or a service are no instances and are left out.
func (r rules) instances(entries []*api.ServiceEntry) []catalog.Instance {
	list := make([]catalog.Instance, 0, len(entries))
	for _, e := range entries {
		if e != nil && e.Node != nil && e.Service != nil {
			list = append(list, r.instance(e))
		}
	}
	slices.SortFunc(list, func(a, b catalog.Instance) int { return cmp.Compare(a.Key, b.Key) })
	// A key can't repeat in Consul. Should it, two endpoints would share one
	// identity, so the first stands.
	return slices.CompactFunc(list, func(a, b catalog.Instance) bool { return a.Key == b.Key })
}

func (r rules) instance(e *api.ServiceEntry) catalog.Instance {
	s := e.Service
	in := catalog.Instance{
		Key:     e.Node.Node + "/" + s.ID,
		Node:    e.Node.Node,
		ID:      s.ID,
		Kind:    string(s.Kind),
		Address: trimBrackets(cmp.Or(s.Address, e.Node.Address)),
		Port:    s.DefaultPort(),
		Socket:  s.SocketPath,
		Zone:    r.zone(e),
		Local:   r.isHere(e),
		Tags:    s.Tags,
		Meta:    s.Meta,
	}
	in.Health, in.Output = health(e.Checks)
	in.Weight = weight(s.Weights, in.Health)
	in.Protocol = protocol(s.Meta)
	reach := catalog.Reach{Local: in.Local, Own: r.own}
	in.Ports = namedPorts(s.Ports, in.Address, reach)
	in.Ineligible = r.ineligible(e, &in, reach)
	return in
}

// The keys of a service's metadata that say which HTTP it speaks. The first is for
// us alone; where it is absent or says nothing that we know, the second is asked,
// which others use too.
const (
	ownProtocolMeta = "lictor-protocol"
	protocolMeta    = "protocol"
)

// protocol reads what an instance speaks. A word that names no HTTP, such as
// "tcp", says nothing.
func protocol(meta map[string]string) catalog.Protocol {
	for _, key := range [...]string{ownProtocolMeta, protocolMeta} {
		if p, ok := catalog.ParseProtocol(meta[key]); ok {
			return p
		}
	}
	return catalog.AnyProtocol
}

// unplaced reports whether an instance is refused only for want of knowing where our
// agent runs.
func (r rules) unplaced(list []catalog.Instance) bool {
	return r.here.Node == "" && slices.ContainsFunc(list, func(in catalog.Instance) bool {
		return in.Socket != "" || in.Ineligible != "" && catalog.Reach{Local: true, Own: r.own}.RefuseHost(in.Address, in.Port) == "" &&
			catalog.Reach{Own: r.own}.RefuseHost(in.Address, in.Port) != ""
	})
}

// isHere reports whether the entry's node is the one that our agent runs on.
// The datacenter counts too: node names are unique in one datacenter only.
func (r rules) isHere(e *api.ServiceEntry) bool {
	if r.datacenter != "" && r.datacenter != r.here.Datacenter {
		return false
	}
	return r.here.Node != "" && e.Node.Node == r.here.Node && e.Node.PeerName == "" &&
		(e.Node.Datacenter == "" || r.here.Datacenter == "" || e.Node.Datacenter == r.here.Datacenter)
}

// zone returns where the entry is: by its own locality, by its node's, or by its
// node's metadata.
func (r rules) zone(e *api.ServiceEntry) string {
	for _, l := range [...]*api.Locality{e.Service.Locality, e.Node.Locality} {
		if l != nil && l.Zone != "" {
			return l.Zone
		}
	}
	if r.zoneMeta == "" {
		return ""
	}
	return e.Node.Meta[r.zoneMeta]
}

// ineligible says why no request may go to the instance. The address comes
// first: it won't mend by itself.
func (r rules) ineligible(e *api.ServiceEntry, in *catalog.Instance, reach catalog.Reach) string {
	if in.Socket != "" {
		switch {
		case !in.Local:
			return "its Unix socket is on another node than our agent's"
		case !path.IsAbs(in.Socket) || strings.ContainsRune(in.Socket, 0):
			return "its Unix socket is not an absolute path"
		}
	} else if why := reach.RefuseHost(in.Address, in.Port); why != "" {
		return fmt.Sprintf("its address %q port %d is refused: %s", clip(in.Address, 64), in.Port, why)
	}
	switch {
	case in.Health == catalog.Maintenance && !r.judged:
		return "in maintenance"
	case in.Health == catalog.Critical && !r.judged:
		return "critical"
	case in.Health == catalog.Warning && in.Weight == 0:
		return "warning, and its weight while warning is 0"
	}
	if r.checked && !hasServiceCheck(e) {
		return "no check of its own yet, though its service declares checks (require_service_check)"
	}
	return ""
}

// health aggregates the checks of an instance and its node as Consul does: the
// worst counts, none at all is passing. The output is the worst check's.
func health(checks api.HealthChecks) (h catalog.Health, output string) {
	for _, c := range checks {
		if c == nil {
			continue
		}
		var of catalog.Health
		switch {
		case c.CheckID == api.NodeMaint || strings.HasPrefix(c.CheckID, api.ServiceMaintPrefix):
			of = catalog.Maintenance
		case c.Status == api.HealthPassing:
			of = catalog.Passing
		case c.Status == api.HealthWarning:
			of = catalog.Warning
		default: // a state that we don't know is not a good one
			of = catalog.Critical
		}
		if of > h {
			h = of
			output = describe(c)
		}
	}
	return h, output
}

// describe is one check's word for people: what the check is called, then its
// output, or for maintenance the operator's reason.
func describe(c *api.HealthCheck) string {
	text := strings.TrimSpace(cmp.Or(strings.TrimSpace(c.Output), c.Notes))
	if name := cmp.Or(c.Name, c.CheckID); name != "" && text != "" {
		text = name + ": " + text
	} else if text == "" {
		text = name
	}
	return clip(strings.ToValidUTF8(text, "\uFFFD"), maxOutput)
}

// clip cuts text to at most n bytes, between two characters.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// weight returns the share of an instance. Consul demands at least 1 while
// passing and allows 0 while warning, which takes the instance out; both absent
// is an entry without weights, and means 1.
func weight(w api.AgentWeights, h catalog.Health) int {
	if w.Passing <= 0 && w.Warning <= 0 {
		return 1
	}
	if h == catalog.Warning {
		return min(max(w.Warning, 0), maxWeight)
	}
	return min(max(w.Passing, 1), maxWeight)
}

// namedPorts returns the ports of a multi-port service that may be dialled, nil
// when it has none.
func namedPorts(ports api.ServicePorts, host string, reach catalog.Reach) map[string]int {
	var named map[string]int
	for _, p := range ports {
		if p.Name == "" || reach.RefuseHost(host, p.Port) != "" {
			continue
		}
		if named == nil {
			named = make(map[string]int, len(ports))
		}
		named[p.Name] = p.Port
	}
	return named
}

// trimBrackets takes the brackets off an IPv6 address that was registered with
// them, as some tools do.
func trimBrackets(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if inner, ok := strings.CutSuffix(inner, "]"); ok {
			if a, err := netip.ParseAddr(inner); err == nil && a.Is6() {
				return inner
			}
		}
	}
	return host
}
