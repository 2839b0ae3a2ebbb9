package catalog

import "maps"

// Snapshot is an immutable view of the services that one source follows.
type Snapshot struct {
	// Source names where the view comes from, such as "consul" or "static".
	Source string
	// Datacenter is the name of the source's own datacenter, empty while it is
	// not known, or where there is no such thing.
	Datacenter string
	// Services holds every followed service that had a first answer, by name.
	// A service that the origin does not know is there with no instances.
	Services map[string]*Service
}

// With returns a copy of the snapshot in which the service has been replaced.
func (s *Snapshot) With(v *Service) *Snapshot {
	m := make(map[string]*Service, len(s.Services)+1)
	maps.Copy(m, s.Services)
	m[v.Name] = v
	return &Snapshot{Source: s.Source, Datacenter: s.Datacenter, Services: m}
}

// Without returns a copy of the snapshot that lacks the service.
func (s *Snapshot) Without(name string) *Snapshot {
	m := make(map[string]*Service, len(s.Services))
	maps.Copy(m, s.Services)
	delete(m, name)
	return &Snapshot{Source: s.Source, Datacenter: s.Datacenter, Services: m}
}
