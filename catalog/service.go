package catalog

// Service is the set of instances that offer one service, at one moment.
type Service struct {
	Name string
	// Instances is sorted by Key and holds the ineligible ones too, so that a
	// person can be told why an instance gets no requests.
	Instances []Instance
	// Index is the origin's modification index, 0 where it has none. It is for
	// people to read and takes no part in Equal.
	Index uint64
	// Exists says that the origin knows the service although it lists none of its
	// instances: what a prepared query finds, when nothing is healthy.
	Exists bool
	// Datacenter is where the instances are, as far as the origin says so; empty
	// for the gateway's own datacenter.
	Datacenter string
	// Stale says that the service was restored from the last good catalog on
	// disk and has not been confirmed by its origin since.
	Stale bool
}

// Registered reports whether the origin knows the service at all. A service
// without instances does not exist in Consul, unless it is a query that does.
func (s *Service) Registered() bool { return s != nil && (s.Exists || len(s.Instances) > 0) }

// Equal reports whether two services hold the same instances in the same
// states. The index takes no part.
func (s *Service) Equal(o *Service) bool {
	if s == nil || o == nil {
		return s == o
	}
	if s.Name != o.Name || s.Exists != o.Exists || s.Datacenter != o.Datacenter || s.Stale != o.Stale || len(s.Instances) != len(o.Instances) {
		return false
	}
	for i := range s.Instances {
		if !s.Instances[i].Equal(&o.Instances[i]) {
			return false
		}
	}
	return true
}
