package upstream

// DefaultBalancer is the balancer of a route that names none.
const DefaultBalancer = "least_conn"

// maxWeight bounds an instance's weight, so that no product overflows. Consul's
// own bound is 65,535.
const maxWeight = 1 << 20

// Candidate is one endpoint as a balancer sees it.
type Candidate struct {
	// InFlight is the number of exchanges that hold the endpoint, from every
	// pool of the service.
	InFlight int32
	// Weight is the endpoint's share. 0 means that it is closed: ineligible,
	// benched, at its bound, or tried before by this request.
	Weight int32
	// Memo is the balancer's own memory of the candidate: 0 for a newcomer, and
	// kept for as long as the endpoint sits in the pool.
	Memo int64
}

// Picker is a balancer at work in one pool. Its methods are called under a
// lock: they neither block nor allocate, but for Arrange.
type Picker interface {
	// Arrange is called when the candidates have been replaced. ids[i] stands
	// for the identity of candidate i, the same in every gateway and at all
	// times. The picker may keep it.
	Arrange(c []Candidate, ids []uint64)
	// Changed is called when InFlight, Weight or Memo of candidate i has been
	// changed, after a pick too.
	Changed(c []Candidate, i int)
	// Pick returns the index of an open candidate, -1 when there is none. The
	// key is the request's, 0 when it has none. Pick may write Memo; Changed
	// follows only for the candidate that it returns.
	Pick(c []Candidate, key uint64) int
}

// Balancer is one way to choose among the endpoints of a pool.
type Balancer struct {
	// Name is how a route names it.
	Name string
	// Doc says in one sentence what it does.
	Doc string
	// New makes a picker for one pool. The seed feeds whatever is random.
	New func(seed uint64) Picker
}

// Balancers returns every balancer, the default one first.
func Balancers() []Balancer {
	return []Balancer{
		{"least_conn", "The fewest exchanges in flight for its weight; ties take turns.", newLeastConn},
		{"round_robin", "Each in turn, as often as its weight says, evenly spread.", newRoundRobin},
		{"random", "Any, with a chance that its weight gives it.", newRandom},
		{"hash", "The same for the same key, as far as it is up; shares of keys go by weight.", newHash},
		{"p2c", "Two drawn by weight, the less busy of them.", newTwoChoices},
	}
}

// BalancerNamed returns the balancer of that name.
func BalancerNamed(name string) (Balancer, bool) {
	for _, b := range Balancers() {
		if b.Name == name {
			return b, true
		}
	}
	return Balancer{}, false
}
