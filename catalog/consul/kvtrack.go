package consul

// kvLost is why an empty answer is not believed after Consul's index went
// backwards.
const kvLost = "Consul's index went backwards and the keys are gone: it lost its state, or was restored; write the policies again"

// kvTracker decides which answers about a prefix are believed. It does no I/O
// and knows no time.
type kvTracker struct {
	cur       cursor
	nonEmpty  bool // what is known has documents
	regressed bool // the index went backwards since the last answer that was believed
}

// take judges an answer. With hold, reason says why. A prefix that has lost its
// keys together with Consul's memory is held for good, unlike a service: nobody
// writes keys again by himself, and a gateway without its policies refuses
// everything. One key that is written ends it.
func (t *kvTracker) take(a *kvAnswer) (v verdict, reason string) {
	next, backwards := t.cur.step(a.docs.Index)
	t.cur = next
	t.regressed = t.regressed || backwards
	reason = a.doubt()
	empty := len(a.docs.List) == 0
	if empty && t.nonEmpty && t.regressed && reason == "" {
		reason = kvLost
	}
	if a.asked > 0 && (backwards || empty || reason != "") {
		t.cur = t.cur.plain()
		return reread, ""
	}
	if reason != "" {
		t.cur = t.cur.plain()
		return hold, reason
	}
	t.cur.wait = max(a.docs.Index, 1)
	if a.asked > 0 && a.docs.Index == a.asked {
		// The wait is over, or the servers' state was replaced by a snapshot's: that
		// ends a query too, with what was before. Asked with the same index, the
		// next one might then be blind for the whole of its wait.
		t.cur = t.cur.plain()
	}
	t.nonEmpty, t.regressed = !empty, false
	return accept, ""
}
