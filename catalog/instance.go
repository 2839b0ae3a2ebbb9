package catalog

import (
	"maps"
	"net"
	"slices"
	"strconv"
)

// Health is what the origin of an instance says of it, all its checks taken
// together: the worst of them counts.
type Health uint8

// The states of an instance, from best to worst. The zero value is Passing:
// an instance without any check is healthy, as Consul has it.
const (
	Passing Health = iota
	Warning
	Critical
	Maintenance
)

// String returns Consul's word for the state.
func (h Health) String() string {
	switch h {
	case Passing:
		return "passing"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	case Maintenance:
		return "maintenance"
	}
	return "unknown"
}

// Instance is one process that offers a service. It is a value: nobody changes
// one, nor the slice and maps in it, once it has been published.
type Instance struct {
	// Key names the instance within its service, across catalog changes. For
	// Consul it is "node/service-id", because a service ID is unique on its
	// node only.
	Key  string
	Node string
	ID   string
	// Kind is what the instance is besides an ordinary one, in its origin's word,
	// such as Consul's "connect-proxy"; empty for an ordinary one.
	Kind string

	// Address is an IP address or a host name, without a port and without
	// brackets. Port is never 0 for an eligible instance unless Socket is set.
	Address string
	Port    int
	// Ports holds the named ports of a multi-port service; nil for most.
	Ports map[string]int
	// Socket is the path of a Unix socket, used instead of Address and Port.
	Socket string
	// Zone is where in its datacenter the instance runs, as its origin has it;
	// empty where nothing says so.
	Zone string
	// Local says that the instance is known to run on the gateway's own
	// machine, so that its address may be a loopback one. Whoever resolves
	// Address when it is a host name passes it on in Reach.
	Local bool

	// Weight is the instance's share against its siblings, at least 1 for an
	// eligible instance.
	Weight int
	// Protocol is what the instance says that it speaks; the zero value when it
	// does not.
	Protocol Protocol
	Tags     []string
	Meta     map[string]string

	Health Health
	// Output is the output of the worst check, empty when all pass. It is for
	// people to read.
	Output string
	// Ineligible says why no request may go to the instance; empty means that
	// it is eligible.
	Ineligible string
}

// Eligible reports whether requests may be sent to the instance.
func (i *Instance) Eligible() bool { return i.Ineligible == "" }

// Target returns what to dial: "host:port" with IPv6 hosts in brackets, or
// "unix:path". A named port is looked up in Ports; ok is false when the
// instance has no such port. The empty name stands for Port.
func (i *Instance) Target(port string) (target string, ok bool) {
	if i.Socket != "" {
		return "unix:" + i.Socket, port == ""
	}
	n := i.Port
	if port != "" {
		n = i.Ports[port]
	}
	if n <= 0 {
		return "", false
	}
	return net.JoinHostPort(i.Address, strconv.Itoa(n)), true
}

// HasTags reports whether the instance carries every one of the tags.
func (i *Instance) HasTags(tags []string) bool {
	for _, t := range tags {
		if !slices.Contains(i.Tags, t) {
			return false
		}
	}
	return true
}

// Equal reports whether two instances are alike in every field.
func (i *Instance) Equal(o *Instance) bool {
	return i.Key == o.Key && i.Node == o.Node && i.ID == o.ID && i.Kind == o.Kind &&
		i.Address == o.Address && i.Port == o.Port && i.Socket == o.Socket && i.Zone == o.Zone && i.Local == o.Local &&
		i.Weight == o.Weight && i.Protocol == o.Protocol && i.Health == o.Health &&
		i.Output == o.Output && i.Ineligible == o.Ineligible &&
		maps.Equal(i.Ports, o.Ports) && slices.Equal(i.Tags, o.Tags) && maps.Equal(i.Meta, o.Meta)
}
