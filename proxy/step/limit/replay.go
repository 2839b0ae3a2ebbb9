package limit

import (
	"strings"

	"github.com/lictor/lictor/proxy"
)

// NewReplayed returns the step for requests of the past: it decides as that of
// NewPhase does, and who would be delayed doesn't wait. The delay is in the
// exchange's verdicts. It is nil when no limit is left.
func NewReplayed(list []*Limit) *Phase { return NewPhase(list, nil) }

// Limits are the limits that the step asks, in the order of its verdicts.
func (p *Phase) Limits() []*Limit { return p.limits }

// AppendKey appends the key of an exchange to b.
func (l *Limit) AppendKey(b []byte, x *proxy.Exchange) []byte { return l.appendKey(b, x) }

// DescribeKey writes the key of an exchange for operators, with the values of
// fields and claims in it: networks, and names with "+" between them.
func (l *Limit) DescribeKey(x *proxy.Exchange) string {
	facts := l.keyFacts(x, true)
	parts := make([]string, len(facts))
	for i, f := range facts {
		parts[i], _ = f.Value.(string)
	}
	return strings.Join(parts, " + ")
}
