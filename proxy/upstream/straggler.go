package upstream

import "github.com/lictor/lictor/catalog"

// A request that began before the policies changed may ask a pool that no policy asks
// any more, after the catalog has changed as well: by tags that no instance has any
// longer, since the policies have changed with them. It is to find those that it would
// have found when it began, as far as they are there.

// drop notes what the pool was filled by until now. The caller holds set.mu.
func (p *Pool) drop() {
	if p.past == nil {
		p.past = p.svc.known
		if p.ahead != nil {
			p.past = p.ahead
		}
	}
	p.ahead = nil
}

// use has a pool that was dropped, and is asked by policies again, go by what is known
// alone. The caller holds s.mu.
func (s *Set) use(p *Pool) {
	if p.past == nil {
		return
	}
	p.past = nil
	p.svc.reseat(p.svc.known, p.svc.source, p.svc.pools)
}

// stragglers are the instances that a dropped pool had, as they are now.
func stragglers(p *Pool, known *catalog.Service) []member {
	if known == nil {
		return nil
	}
	there := map[string]*catalog.Instance{}
	for i := range known.Instances {
		there[known.Instances[i].Key] = &known.Instances[i]
	}
	var left []member
	for _, m := range membersOf(p, p.past) {
		if now := there[m.id.key]; now != nil {
			if target, ok := now.Target(p.spec.Port); ok && target == m.id.target {
				left = append(left, member{m.id, now})
			}
		}
	}
	return left
}
