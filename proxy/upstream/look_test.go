package upstream

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lictor/lictor/catalog"
)

// TestLookForesees plays at random with pools of every balancer, with zones, bounds,
// fallbacks and shares, and compares every look with the acquisition that follows. A look
// must change nothing: not the candidates, not the dice.
func TestLookForesees(t *testing.T) {
	for _, b := range Balancers() {
		t.Run(b.Name, func(t *testing.T) {
			d := rand.New(rand.NewPCG(21, 22))
			acquired, refused, probes := 0, 0, 0
			for range 60 {
				s := NewSet(Options{Seed: d.Uint64(), Zone: []string{"", "a"}[d.IntN(2)], Sources: []string{"consul"}})
				spec := PoolSpec{Service: "web", Balance: b.Name, MaxConnections: d.IntN(3)}
				switch d.IntN(4) {
				case 0:
					spec.Fallbacks = []string{"web2"}
				case 1:
					spec.Service, spec.Split = "", []Share{
						{Weight: d.IntN(3), Service: "web", Tags: []string{"v1"}}, {Weight: 2, Service: "web"}, {Weight: 1, Service: "web2", Fallbacks: []string{"web"}},
					}
				}
				p := mustPool(t, s, spec)
				now := t0
				var held []*Attempt
				for range 150 {
					now = now.Add(time.Duration(d.IntN(3000)) * time.Millisecond)
					switch d.IntN(8) {
					case 0:
						s.Apply(everywhere(map[string][]catalog.Instance{"web": randomInstances(d, "1"), "web2": randomInstances(d, "2")}))
					case 1, 2:
						if len(held) > 0 {
							i := d.IntN(len(held))
							held[i].Report([]Outcome{Success, Refused, Broke}[d.IntN(3)], now)
							held[i].Release()
							held = slices.Delete(held, i, i+1)
						}
					default:
						a := &Attempt{Key: uint64(d.IntN(3))}
						look := p.Look(a.Key, now)
						if again := p.Look(a.Key, now); !reflect.DeepEqual(again, look) {
							t.Fatalf("a look has changed something: %+v, then %+v", look, again)
						}
						e, why := p.Acquire(a, now)
						if why != look.Reason {
							t.Fatalf("%v, foreseen was %v", why, look.Reason)
						}
						if e == nil {
							refused++
							continue
						}
						acquired++
						if e.Key() != look.Instance || e.Service() != look.Service || a.Probe() != look.Probe {
							t.Fatalf("%s of %s (probe %v), foreseen was %+v", e.Key(), e.Service(), a.Probe(), look)
						}
						if look.Probe {
							probes++
						}
						held = append(held, a)
					}
				}
			}
			if acquired < 1000 || refused < 100 || probes < 20 {
				t.Errorf("only %d acquired, %d refused and %d probes: the test has lost its teeth", acquired, refused, probes)
			}
		})
	}
}

func randomInstances(d *rand.Rand, place string) []catalog.Instance {
	in := inPlace(place, []int{0, 1, 3, 6, 40}[d.IntN(5)])
	for i := range in {
		in[i].Weight = 1 + d.IntN(3)
		in[i].Zone = []string{"a", "b"}[d.IntN(2)]
		if d.IntN(3) == 0 {
			in[i].Tags = []string{"v1"}
		}
		if d.IntN(4) == 0 {
			in[i].Ineligible = "critical"
		}
	}
	return in
}
