package upstream

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// pick picks and counts the picked candidate in, as a pool does.
func pick(p Picker, c []Candidate) int { return pickFor(p, c, 0) }

// pickFor does so for a request that has a key.
func pickFor(p Picker, c []Candidate, key uint64) int {
	i := p.Pick(c, key)
	if i >= 0 {
		c[i].InFlight++
		p.Changed(c, i)
	}
	return i
}

// ids returns the identities of n candidates.
func ids(n int) []uint64 {
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = identity{"key", strconv.Itoa(i)}.hash64()
	}
	return ids
}

// Every balancer, at sizes on both sides of where least_conn changes its way:
// it picks an open candidate whenever there is one, and never a closed one,
// while candidates open, close, fill and empty at random.
func TestBalancersPickOnlyOpenCandidates(t *testing.T) {
	for _, b := range Balancers() {
		t.Run(b.Name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for _, n := range []int{0, 1, 2, 3, scanLimit, scanLimit + 1, 100} {
				p := b.New(7)
				c := make([]Candidate, n)
				open := 0
				p.Arrange(c, ids(len(c)))
				for step := range 2000 {
					if n > 0 {
						i := r.IntN(n)
						if c[i].Weight > 0 {
							open--
						}
						c[i].Weight = int32(max(0, r.IntN(9)-4))
						if c[i].Weight > 0 {
							open++
						}
						c[i].InFlight = int32(r.IntN(4))
						p.Changed(c, i)
					}
					got := pickFor(p, c, uint64(r.IntN(100)))
					switch {
					case got >= n:
						t.Fatalf("step %d: picked %d of %d", step, got, n)
					case open == 0 && got >= 0:
						t.Fatalf("step %d: picked %d, all are closed", step, got)
					case open > 0 && got < 0:
						t.Fatalf("step %d: picked none, %d of %d are open", step, open, n)
					case got >= 0 && c[got].Weight == 0:
						t.Fatalf("step %d: picked %d, which is closed", step, got)
					}
				}
			}
		})
	}
}

// When nothing is released, what is in flight ends up in proportion to the
// weights, under every balancer.
func TestBalancersRespectWeights(t *testing.T) {
	weights := []int32{1, 2, 3, 4, 10}
	const each = 1000 // picks per unit of weight
	for _, b := range Balancers() {
		t.Run(b.Name, func(t *testing.T) {
			for _, n := range []int{len(weights), 20 * len(weights)} {
				p := b.New(3)
				c := make([]Candidate, n)
				picks := 0
				for i := range c {
					c[i].Weight = weights[i%len(weights)]
					picks += each * int(c[i].Weight)
				}
				p.Arrange(c, ids(len(c)))
				for k := range picks {
					pickFor(p, c, mix(uint64(k+1)))
				}
				for i := range c {
					want := each * c[i].Weight
					// Random draws deviate by some sqrt(each * weight): a fifth
					// is six sigma at weight 1.
					if d := c[i].InFlight - want; max(d, -d) > want/5 {
						t.Errorf("%d candidates: %d of weight %d has %d, want about %d", n, i, c[i].Weight, c[i].InFlight, want)
					}
				}
			}
		})
	}
}

// When everything is released at once, the balancers that promise it still
// share by weight. (least_conn does not promise it: the heaviest is the least
// loaded one then.)
func TestIdleBalancersRespectWeights(t *testing.T) {
	for _, b := range Balancers() {
		if b.Name == "least_conn" {
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			p := b.New(3)
			c := []Candidate{{Weight: 1}, {Weight: 2}, {Weight: 5}}
			p.Arrange(c, ids(len(c)))
			var got [3]int
			for k := range 8000 {
				i := pickFor(p, c, mix(uint64(k+1)))
				got[i]++
				c[i].InFlight--
				p.Changed(c, i)
			}
			for i, want := range []int{1000, 2000, 5000} {
				if d := got[i] - want; max(d, -d) > want/5 {
					t.Errorf("weight %d was picked %d times, want about %d", c[i].Weight, got[i], want)
				}
			}
		})
	}
}

func TestBalancerNames(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range Balancers() {
		if b.Name == "" || b.Doc == "" || seen[b.Name] {
			t.Errorf("balancer %q: a name of its own and a sentence are needed", b.Name)
		}
		seen[b.Name] = true
		if got, ok := BalancerNamed(b.Name); !ok || got.Name != b.Name {
			t.Errorf("BalancerNamed(%q) = %q, %v", b.Name, got.Name, ok)
		}
	}
	if !seen[DefaultBalancer] {
		t.Errorf("there is no default balancer %q", DefaultBalancer)
	}
	if _, ok := BalancerNamed("least_con"); ok {
		t.Error("least_con was found")
	}
}

func TestRoundRobinIsSmooth(t *testing.T) {
	p := newRoundRobin(0)
	c := []Candidate{{Weight: 5}, {Weight: 1}, {Weight: 1}}
	p.Arrange(c, ids(len(c)))
	var got []byte
	for range 14 {
		got = append(got, "abc"[pick(p, c)])
	}
	if want := "aabacaaaabacaa"; string(got) != want {
		t.Errorf("picked %s, want %s", got, want)
	}
}

// A lottery with one heavy and many closed candidates can't rely on luck.
func TestRandomFindsTheOnlyOpenCandidate(t *testing.T) {
	p := newRandom(1)
	c := make([]Candidate, 1000)
	c[0].Weight = maxWeight
	p.Arrange(c, ids(len(c)))
	c[0].Weight, c[617].Weight = 0, 1
	p.Changed(c, 0)
	p.Changed(c, 617)
	for range 100 {
		if got := p.Pick(c, 0); got != 617 {
			t.Fatalf("picked %d, want 617", got)
		}
	}
}
