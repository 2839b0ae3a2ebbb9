package connect

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ID is a service's name in the mesh, the one thing that its certificate
// vouches for. It stands there as a URI (SPIFFE-ID section 2):
//
//	spiffe://<trust domain>/ns/<namespace>/dc/<datacenter>/svc/<service>
//	spiffe://<trust domain>/ap/<partition>/ns/<namespace>/dc/<datacenter>/svc/<service>
//
// Partitions and namespaces other than "default" exist in Consul Enterprise
// only; an absent partition is the default one.
type ID struct {
	TrustDomain string
	Partition   string
	Namespace   string
	Datacenter  string
	Service     string
}

const (
	defaultName = "default"
	wildcard    = "*"
)

// errNotService is a SPIFFE ID of something else, such as an agent, a mesh
// gateway or a certificate authority.
var errNotService = errors.New("it does not name a service")

// ParseID reads the URI of a certificate.
func ParseID(u *url.URL) (ID, error) {
	if u.Scheme != "spiffe" {
		return ID{}, fmt.Errorf("the URI %q is no SPIFFE ID", u)
	}
	if u.Host == "" || u.Port() != "" || u.User != nil || u.Opaque != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return ID{}, fmt.Errorf("the SPIFFE ID %q has parts that none may have, or lacks a trust domain", u)
	}
	rest, ok := strings.CutPrefix(u.EscapedPath(), "/")
	if !ok {
		return ID{}, fmt.Errorf("the SPIFFE ID %q: %w", u, errNotService)
	}
	part := strings.Split(rest, "/")
	for i, p := range part {
		name, err := url.PathUnescape(p)
		if err != nil || name == "" || name == "." || name == ".." {
			return ID{}, fmt.Errorf("the SPIFFE ID %q has a bad path", u)
		}
		part[i] = name
	}
	id := ID{TrustDomain: u.Host, Partition: defaultName}
	if len(part) == 8 && part[0] == "ap" {
		id.Partition, part = part[1], part[2:]
	}
	if len(part) != 6 || part[0] != "ns" || part[2] != "dc" || part[4] != "svc" {
		return ID{}, fmt.Errorf("the SPIFFE ID %q: %w", u, errNotService)
	}
	id.Namespace, id.Datacenter, id.Service = part[1], part[3], part[5]
	if id.Service == wildcard {
		return ID{}, fmt.Errorf("the SPIFFE ID %q: %w", u, errNotService)
	}
	return id, nil
}

// ParseSource reads the name of a service as a person gives it: a SPIFFE ID, or the
// name alone for one of the default namespace, in whichever trust domain and
// datacenter.
func ParseSource(text string) (ID, error) {
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil {
			return ID{}, fmt.Errorf("%q is no SPIFFE ID", text)
		}
		return ParseID(u)
	}
	if text == "" || text == wildcard || strings.ContainsAny(text, "/ \t\r\n") {
		return ID{}, fmt.Errorf("%q is neither the name of a service nor a SPIFFE ID", text)
	}
	return ID{Service: text}, nil
}

// String returns the ID as a URI.
func (id ID) String() string {
	var b strings.Builder
	b.WriteString("spiffe://" + id.TrustDomain)
	if p := cmp.Or(id.Partition, defaultName); p != defaultName {
		b.WriteString("/ap/" + url.PathEscape(p))
	}
	b.WriteString("/ns/" + url.PathEscape(cmp.Or(id.Namespace, defaultName)))
	b.WriteString("/dc/" + url.PathEscape(id.Datacenter))
	b.WriteString("/svc/" + url.PathEscape(id.Service))
	return b.String()
}

// is reports whether both name the same service. Trust domains and datacenters
// are host names, in which case does not count; the names that ACL rules are
// written for are compared to the letter.
func (id ID) is(o ID) bool {
	return strings.EqualFold(id.TrustDomain, o.TrustDomain) && strings.EqualFold(id.Datacenter, o.Datacenter) &&
		cmp.Or(id.Partition, defaultName) == cmp.Or(o.Partition, defaultName) &&
		cmp.Or(id.Namespace, defaultName) == cmp.Or(o.Namespace, defaultName) &&
		id.Service == o.Service
}

// sni is the name that Consul's own proxies ask for by SNI, and that mesh and
// terminating gateways route by.
func (id ID) sni() string {
	ns, ap := cmp.Or(id.Namespace, defaultName), cmp.Or(id.Partition, defaultName)
	parts := []string{id.Service, ns, id.Datacenter, "internal", id.TrustDomain}
	if ap != defaultName {
		parts = []string{id.Service, ns, ap, id.Datacenter, "internal-v1", id.TrustDomain}
	}
	return strings.ToLower(strings.Join(parts, "."))
}
