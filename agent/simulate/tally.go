package simulate

import (
	"hash/maphash"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/step/limit"
)

// tally is what came of one limit.
type tally struct {
	spec *limit.Spec
	// limit is nil for one that is not simulated, and why says why.
	limit *limit.Limit
	why   string
	// used says that the gateway or a route names the limit.
	used bool

	asked, passed, delayed, denied, others uint64
	longest                                time.Duration // the longest delay
	first                                  time.Duration // when one was denied for the first time
	firstMinute                            uint64        // how many were in its minute
	minute                                 minute
	worst                                  minute

	line   timeline
	keys   distinct
	hit    distinct // keys that were denied
	top    top[*keyTally]
	seed   maphash.Seed
	buffer []byte
}

// minute is what was denied within one, or any other count of one.
type minute struct {
	at time.Duration
	n  uint64
}

func newTally(s *limit.Spec) *tally {
	return &tally{spec: s, seed: maphash.MakeSeed()}
}

// note takes down a verdict. Passed says that the request passed all limits that
// were asked with this one.
func (t *tally) note(l *limit.Limit, x *proxy.Exchange, v *proxy.Verdict, passed bool) {
	at := x.Start.Wall
	t.asked++
	t.buffer = l.AppendKey(t.buffer[:0], x)
	key := maphash.Bytes(t.seed, t.buffer)
	t.keys.add(key)
	denied := !v.Decision.Allowed
	switch {
	case denied:
		t.denied++
		t.hit.add(key)
		t.noteDenial(at)
	case passed:
		t.passed++
		if d := v.Decision.Delay; d > 0 {
			t.delayed++
			t.longest = max(t.longest, d)
		}
	default:
		t.others++
	}
	t.line.add(at, denied)
	k := t.top.get(key)
	if k == nil && denied {
		k = t.top.add(key, &keyTally{text: l.DescribeKey(x)})
	}
	if k != nil {
		k.note(at, denied)
		if denied {
			t.top.count(key)
		}
	}
}

func (t *tally) noteDenial(at time.Duration) {
	if t.denied == 1 {
		t.first = at
	}
	if at.Truncate(time.Minute) == t.first.Truncate(time.Minute) {
		t.firstMinute++
	}
	if m := at.Truncate(time.Minute); m > t.minute.at || t.minute.n == 0 {
		t.minute = minute{at: m}
	}
	t.minute.n++
	if t.minute.n > t.worst.n {
		t.worst = t.minute
	}
}

// keyTally is what came of one key since it was first denied, or came back to the
// table.
type keyTally struct {
	text      string
	asked     uint64
	now, most stretch
}

// stretch is a time in which every request was denied.
type stretch struct {
	from, to time.Duration
	n        uint64
}

func (k *keyTally) note(at time.Duration, denied bool) {
	k.asked++
	if !denied {
		k.now = stretch{}
		return
	}
	if k.now.n == 0 {
		k.now.from = at
	}
	k.now.to = max(at, k.now.from)
	k.now.n++
	if k.now.n > k.most.n {
		k.most = k.now
	}
}
