package consul

import (
	"time"

	"github.com/hashicorp/consul/api"
)

// answer is what Consul said of one service.
type answer struct {
	entries []*api.ServiceEntry
	index   uint64
	asked   uint64 // the index it was asked with, 0 for a plain read
	// datacenter is the one that was asked for, or that a prepared query found;
	// empty for our own.
	datacenter string
	// The headers below mean something in plain reads only.
	filtered    bool
	knownLeader bool
	anonymous   bool
	denyDefault bool
}

// verdict is what becomes of an answer.
type verdict uint8

const (
	accept verdict = iota // it replaces what is known
	reread                // ask again at once, plainly
	hold                  // what is known stays; ask again after a pause
)

// tracker decides which answers about one service are believed. It does no I/O
// and is told the time.
type tracker struct {
	cur       cursor
	nonEmpty  bool      // what is known has instances
	wary      bool      // an empty answer is doubted even if nothing is known
	regressed time.Time // when the index last went backwards, zero when never
	// restored is the index of instances that nothing has confirmed yet: they come
	// from disk, or from a server without a leader. 0 is none.
	restored uint64
	kept     bool // they come from disk
	returned bool // what regressed was not seen to: Consul was away, and came back empty
}

// take judges an answer. With hold, reason says why.
func (t *tracker) take(now time.Time, a answer) (v verdict, reason string) {
	next, backwards := t.cur.step(a.index)
	t.cur = next
	// One index has one content: a Consul that says something else by the same one has
	// another history, in which it happens to have got as far.
	if len(a.entries) == 0 && t.nonEmpty && t.restored > 0 && a.index == t.restored {
		backwards, t.restored = true, 0
	}
	// What is on disk was in force when Consul was last there. A Consul that lost its
	// state since may be anywhere in its new history, and nobody has registered again
	// while it was away.
	returned := len(a.entries) == 0 && t.nonEmpty && t.kept
	if backwards || returned {
		t.regressed, t.kept, t.returned = now, false, !backwards
		if a.asked > 0 {
			return reread, ""
		}
	}
	if len(a.entries) == 0 && (t.nonEmpty || t.wary) {
		if a.asked > 0 {
			t.cur = t.cur.plain()
			return reread, ""
		}
		e := evidence{
			filtered: a.filtered, knownLeader: a.knownLeader,
			anonymous: a.anonymous, denyDefault: a.denyDefault,
			sinceRegression: -1, returned: t.returned,
		}
		if !t.regressed.IsZero() {
			e.sinceRegression = now.Sub(t.regressed)
		}
		if reason := e.doubt(); reason != "" {
			t.cur = t.cur.plain()
			return hold, reason
		}
	}
	t.cur.wait = max(a.index, 1)
	t.nonEmpty, t.restored, t.kept = len(a.entries) > 0, 0, false
	return accept, ""
}
