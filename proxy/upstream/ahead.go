package upstream

import "github.com/lictor/lictor/catalog"

// Ahead has pools that are made from now on filled by this snapshot, which is newer
// than the one of its source that Apply took over last. All others stay as they are
// until Apply says more of their service. So the pools of policies that were made of
// the newer state, and those of the policies before, each find what they ask for,
// whichever of them a request goes by. Nil ends it: every pool is filled by what was
// applied.
func (s *Set) Ahead(snap *catalog.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ahead = snap; snap != nil {
		return
	}
	for _, v := range s.services {
		if v.level() {
			v.reseat(v.known, v.source, v.pools)
		}
	}
}

// aheadOf is what a new pool is to be filled by that others of its service are not
// yet, nil for nothing. The caller holds s.mu.
func (s *Set) aheadOf(known *catalog.Service, source, name string) *catalog.Service {
	if s.ahead == nil || s.ahead.Source != source || s.ahead.Services[name] == known {
		return nil
	}
	return s.ahead.Services[name]
}

// level has all pools go by what is known of the service, and reports whether one
// of them did not. The caller holds set.mu.
func (v *service) level() (was bool) {
	for _, p := range v.pools {
		was = was || p.ahead != nil
		p.ahead = nil
	}
	return was
}
