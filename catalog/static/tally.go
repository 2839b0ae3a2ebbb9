package static

// standing is what the results of an instance's check say of it.
type standing uint8

const (
	unknown standing = iota // no result yet
	healthy
	unhealthy
)

// tally counts results towards a change of standing. The zero value has seen
// none.
type tally struct {
	is      standing
	against int // results in a row that speak against the standing
}

// add returns the tally after one more result.
func (t tally) add(ok bool, healthyAfter, unhealthyAfter int) tally {
	now, need := unhealthy, unhealthyAfter
	if ok {
		now, need = healthy, healthyAfter
	}
	switch {
	case t.is == unknown:
		return tally{is: now}
	case t.is == now:
		return tally{is: now}
	case t.against+1 >= need:
		return tally{is: now}
	}
	return tally{is: t.is, against: t.against + 1}
}
