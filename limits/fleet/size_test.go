package fleet

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	t.Parallel()
	const s = time.Second
	among := func(n, rank int) View { return View{Passing: n, Rank: rank, Listed: true} }
	beside := func(n, rank int) View { return View{Passing: n, Rank: rank} }
	type step struct {
		at   time.Duration
		view *View // nil only looks
		want Share
		next time.Duration // 0 for never
	}
	at := func(at time.Duration, v View, want Share, next time.Duration) step {
		return step{at, &v, want, next}
	}
	look := func(at time.Duration, want Share, next time.Duration) step { return step{at, nil, want, next} }
	for name, steps := range map[string][]step{
		"nothing is known": {look(0, Share{1, 0}, 0)},
		"who starts counts itself": {
			at(0, beside(2, 1), Share{3, 1}, 0),
			at(1*s, among(3, 1), Share{3, 1}, 0),
		},
		"the first of all": {
			at(0, beside(0, 0), Share{1, 0}, 0),
			at(1*s, among(1, 0), Share{1, 0}, 0),
		},
		"more at once, fewer later": {
			at(0, among(2, 0), Share{2, 0}, 0),
			at(1*s, among(4, 1), Share{4, 1}, 0),
			at(2*s, among(3, 1), Share{4, 1}, 12*s),
			look(11*s, Share{4, 1}, 12*s),
			look(12*s, Share{3, 1}, 0),
		},
		"one restarts": {
			at(0, among(3, 2), Share{3, 2}, 0),
			at(1*s, among(2, 1), Share{3, 1}, 11*s),
			at(6*s, among(3, 2), Share{3, 2}, 0),
			look(60*s, Share{3, 2}, 0),
		},
		"one after the other leaves": {
			at(0, among(4, 0), Share{4, 0}, 0),
			at(1*s, among(3, 0), Share{4, 0}, 11*s),
			at(5*s, among(2, 0), Share{4, 0}, 11*s),
			look(11*s, Share{3, 0}, 15*s),
			look(15*s, Share{2, 0}, 0),
		},
		"one flaps": {
			at(0, among(3, 0), Share{3, 0}, 0),
			at(1*s, among(2, 0), Share{3, 0}, 11*s),
			at(4*s, among(3, 0), Share{3, 0}, 0),
			at(8*s, among(2, 0), Share{3, 0}, 18*s),
			at(9*s, among(3, 0), Share{3, 0}, 0),
			at(10*s, among(2, 0), Share{3, 0}, 20*s),
			look(20*s, Share{2, 0}, 0),
		},
		"who is cut off never takes more": {
			at(0, among(3, 1), Share{3, 1}, 0),
			at(1*s, beside(2, 1), Share{3, 1}, 0),
			at(2*s, beside(0, 0), Share{3, 0}, 0),
			look(60*s, Share{3, 0}, 0),
			at(61*s, beside(5, 0), Share{6, 0}, 0),
			at(62*s, among(2, 1), Share{6, 1}, 72*s),
			look(72*s, Share{2, 1}, 0),
		},
		"it is at the end of the list": {
			at(0, beside(2, 2), Share{3, 2}, 0),
		},
		"no list at all is of nobody": {
			at(0, among(0, 0), Share{1, 0}, 0),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var size Size
			seen := false
			for _, st := range steps {
				if st.view != nil {
					size.See(*st.view, st.at)
					seen = true
				}
				if got := size.Share(st.at); got != st.want {
					t.Fatalf("at %v: %+v, want %+v", st.at, got, st.want)
				}
				if size.Known() != seen {
					t.Fatalf("at %v: known %t", st.at, size.Known())
				}
				if next, ok := size.Next(); next != st.next || ok != (st.next != 0) {
					t.Fatalf("at %v: the next change is at %v (%t), want %v", st.at, next, ok, st.next)
				}
			}
		})
	}
}
