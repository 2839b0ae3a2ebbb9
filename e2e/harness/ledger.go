package harness

import "sync"

// IDField carries the id of a request of a Load. Instances send it back.
const IDField = "X-Test-Id"

// Ledger counts how often each request arrived at any instance. The zero value is
// empty and ready, and may be used from any goroutine.
type Ledger struct {
	mu   sync.Mutex
	seen map[string]int
}

func (l *Ledger) note(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]int{}
	}
	l.seen[id]++
}

// Arrivals returns how many different requests arrived.
func (l *Ledger) Arrivals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// Repeated returns the ids that arrived more than once.
func (l *Ledger) Repeated() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for id, n := range l.seen {
		if n > 1 {
			ids = append(ids, id)
		}
	}
	return ids
}
