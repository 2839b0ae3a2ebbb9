package consul

import (
	"fmt"

	"github.com/lictor/lictor/catalog"
)

// maxNamed bounds how many instances a log line names.
const maxNamed = 10

// difference is what changed between two states of a service, as the log says
// it: keys of instances, changed ones with what became of them.
type difference struct {
	added, removed, changed []string
}

func (d difference) none() bool { return len(d.added)+len(d.removed)+len(d.changed) == 0 }

// compare walks two sorted lists of instances side by side.
func compare(old, now *catalog.Service) difference {
	var d difference
	a, b := old.Instances, now.Instances
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Key < b[0].Key:
			d.removed = append(d.removed, a[0].Key)
			a = a[1:]
		case len(a) == 0 || b[0].Key < a[0].Key:
			d.added = append(d.added, b[0].Key)
			b = b[1:]
		default:
			if !a[0].Equal(&b[0]) {
				d.changed = append(d.changed, b[0].Key+" "+became(&a[0], &b[0]))
			}
			a, b = a[1:], b[1:]
		}
	}
	d.added, d.removed, d.changed = few(d.added), few(d.removed), few(d.changed)
	return d
}

// became says what is most worth knowing of a change to one instance.
func became(a, b *catalog.Instance) string {
	from, _ := a.Target("")
	to, _ := b.Target("")
	switch {
	case a.Health != b.Health:
		return a.Health.String() + " to " + b.Health.String()
	case from != to:
		return from + " to " + to
	case a.Ineligible != b.Ineligible:
		if b.Ineligible == "" {
			return "eligible"
		}
		return b.Ineligible
	case a.Weight != b.Weight:
		return fmt.Sprintf("weight %d to %d", a.Weight, b.Weight)
	}
	return "details"
}

// few shortens a list for the log.
func few(keys []string) []string {
	if len(keys) <= maxNamed {
		return keys
	}
	more := fmt.Sprintf("%d more", len(keys)-maxNamed)
	return append(keys[:maxNamed:maxNamed], more)
}
