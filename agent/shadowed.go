package agent

import "sync"

// shadowWarnings remembers which services are known to two sources, so that
// each is warned about once.
type shadowWarnings struct {
	mu   sync.Mutex
	told map[string]bool
}

// warnShadowed warns of services that two sources have, of which only one is
// heard: a static service beats Consul's.
func (a *Agent) warnShadowed() {
	w := &a.shadows
	w.mu.Lock()
	defer w.mu.Unlock()
	now := make(map[string]bool)
	for _, s := range a.set.Shadowed() {
		now[s.Service] = true
		if !w.told[s.Service] {
			a.log.Warn("service is known to two sources", "service", s.Service, "used", s.Used, "ignored", s.Ignored)
		}
	}
	w.told = now
}
