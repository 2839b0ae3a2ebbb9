package catalog

import "strings"

const (
	// datacenterMark tells a service of another datacenter from the same service
	// in the gateway's own.
	datacenterMark = "@dc="
	// querySuffix tells what a prepared query finds from a service.
	querySuffix = "@query"
)

// InDatacenter returns the name under which the instances of a service in
// another datacenter are followed. They are a service of their own to the
// catalog and to pools. An empty datacenter is the gateway's own: the name
// stays as it is.
func InDatacenter(service, datacenter string) string {
	if datacenter == "" {
		return service
	}
	return service + datacenterMark + datacenter
}

// CutDatacenter returns the service that a name stands for, and the datacenter
// that it is looked for in; an empty one is the gateway's own. Names of the mesh
// are cut first: MeshName(InDatacenter("web", "dc2")) is "web@dc=dc2@mesh".
func CutDatacenter(name string) (service, datacenter string) {
	// The last mark counts: a datacenter's name holds none.
	if i := strings.LastIndex(name, datacenterMark); i >= 0 {
		return name[:i], name[i+len(datacenterMark):]
	}
	return name, ""
}

// Elsewhere reports whether a name stands for a service in another datacenter,
// through the mesh or not.
func Elsewhere(name string) bool {
	name, _ = CutMeshName(name)
	_, datacenter := CutDatacenter(name)
	return datacenter != ""
}

// QueryName returns the name under which the instances are followed that a
// prepared query finds. The query is named by its name or its ID.
func QueryName(query string) string { return query + querySuffix }

// CutQueryName returns the prepared query that a name stands for, and whether it
// stands for one.
func CutQueryName(name string) (query string, is bool) { return strings.CutSuffix(name, querySuffix) }
