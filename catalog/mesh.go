package catalog

import "strings"

// meshSuffix tells a service as the mesh offers it from the same service in
// clear: other addresses, and another way to speak to them.
const meshSuffix = "@mesh"

// MeshName returns the name under which the instances that speak a service's
// name through the service mesh are followed: its sidecars, or itself where it
// speaks the mesh natively. They are a service of their own to the catalog and
// to pools, so that nothing ever mixes what is dialled in clear with what is
// not.
func MeshName(service string) string { return service + meshSuffix }

// CutMeshName returns the service that a name stands for, and whether it stands
// for it through the mesh.
func CutMeshName(name string) (service string, mesh bool) { return strings.CutSuffix(name, meshSuffix) }
