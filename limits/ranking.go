package limits

import (
	"cmp"
	"slices"
)

// ranking keeps the keys with the least left of those it is shown.
type ranking struct {
	most int
	keys []KeyUsage
}

func (r *ranking) add(d digest, stands Decision) {
	if r.most <= 0 {
		return
	}
	if len(r.keys) >= 2*r.most {
		r.cut()
	}
	r.keys = append(r.keys, KeyUsage{Digest: d.String(), Remaining: stands.Remaining, Reset: stands.ResetAfter})
}

// cut sorts by what remains, then by who waits longest.
func (r *ranking) cut() {
	slices.SortFunc(r.keys, func(a, b KeyUsage) int {
		return cmp.Or(
			cmp.Compare(a.Remaining, b.Remaining),
			cmp.Compare(b.Reset, a.Reset),
			cmp.Compare(a.Digest, b.Digest),
		)
	})
	r.keys = r.keys[:min(r.most, len(r.keys))]
}

func (r *ranking) list() []KeyUsage {
	if r.most <= 0 {
		return nil
	}
	r.cut()
	return r.keys
}
