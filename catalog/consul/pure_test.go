package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

func TestCursorStep(t *testing.T) {
	for _, c := range []struct {
		name      string
		cur       cursor
		index     uint64
		want      cursor
		backwards bool
	}{
		{"first answer", cursor{}, 7, cursor{wait: 7, seen: 7}, false},
		{"same index", cursor{wait: 7, seen: 7}, 7, cursor{wait: 7, seen: 7}, false},
		{"forwards", cursor{wait: 7, seen: 7}, 9, cursor{wait: 9, seen: 9}, false},
		{"backwards", cursor{wait: 7, seen: 7}, 6, cursor{wait: 0, seen: 6}, true},
		{"backwards after an error", cursor{wait: 0, seen: 7}, 6, cursor{wait: 0, seen: 6}, true},
		{"zero waits with one", cursor{}, 0, cursor{wait: 1, seen: 0}, false},
		{"one after zero", cursor{wait: 1, seen: 0}, 1, cursor{wait: 1, seen: 1}, false},
		{"to zero", cursor{wait: 7, seen: 7}, 0, cursor{wait: 0, seen: 0}, true},
	} {
		if got, backwards := c.cur.step(c.index); got != c.want || backwards != c.backwards {
			t.Errorf("%s: step(%d) = %+v, %v, want %+v, %v", c.name, c.index, got, backwards, c.want, c.backwards)
		}
	}
	if got := (cursor{wait: 7, seen: 7}).plain(); got != (cursor{seen: 7}) {
		t.Errorf("plain forgot what was seen: %+v", got)
	}
}

func TestBackoff(t *testing.T) {
	var got []time.Duration
	var d time.Duration
	for range 9 {
		d = grow(d, backoffMax)
		got = append(got, d)
	}
	want := []time.Duration{
		250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
		8 * time.Second, 15 * time.Second, 15 * time.Second, 15 * time.Second,
	}
	if !slices.Equal(got, want) {
		t.Errorf("back-offs %v, want %v", got, want)
	}
	if got := grow(30*time.Second, backoffMax); got != backoffMax {
		t.Errorf("a back-off above its limit came to %v, want %v", got, backoffMax)
	}
	for r, want := range map[float64]time.Duration{0: 8 * time.Second, 0.5: 6 * time.Second, 0.999999999: 4 * time.Second} {
		if got := jitter(8*time.Second, r); got < want || got > want+time.Millisecond {
			t.Errorf("jitter(8s, %v) = %v, want %v", r, got, want)
		}
	}
	for err, want := range map[error]time.Duration{
		api.StatusError{Code: http.StatusForbidden}:                      backoffRefused,
		api.StatusError{Code: http.StatusTooManyRequests}:                backoffRefused,
		api.StatusError{Code: http.StatusInternalServerError}:            backoffMax,
		fmt.Errorf("reading: %w", io.ErrUnexpectedEOF):                   backoffMax,
		fmt.Errorf("x: %w", api.StatusError{Code: http.StatusForbidden}): backoffRefused,
	} {
		if got := limitFor(err); got != want {
			t.Errorf("limitFor(%v) = %v, want %v", err, got, want)
		}
	}
	if unreachable(nil) || unreachable(api.StatusError{Code: 500}) || !unreachable(io.EOF) || !unreachable(context.DeadlineExceeded) {
		t.Error("unreachable means that there was no answer at all")
	}
	if got := deadline(waitTime); got != 73750*time.Millisecond {
		t.Errorf("deadline of a 60 s wait is %v, want 73.75s", got)
	}
}

func TestDoubt(t *testing.T) {
	never := time.Duration(-1)
	for _, c := range []struct {
		name string
		e    evidence
		want string
	}{
		{"a plain removal", evidence{knownLeader: true, sinceRegression: never}, ""},
		{"filtered", evidence{knownLeader: true, filtered: true, sinceRegression: never}, heldFiltered},
		{"no leader", evidence{sinceRegression: never}, heldNoLeader},
		{"anonymous, allowed", evidence{knownLeader: true, anonymous: true, sinceRegression: never}, ""},
		{"anonymous, denied", evidence{knownLeader: true, anonymous: true, denyDefault: true, sinceRegression: never}, heldAnonymous},
		{"a token, denied by default", evidence{knownLeader: true, denyDefault: true, sinceRegression: never}, ""},
		{"just regressed", evidence{knownLeader: true, sinceRegression: 0}, heldRegression},
		{"at the end of the grace", evidence{knownLeader: true, sinceRegression: regressionGrace - 1}, heldRegression},
		{"after the grace", evidence{knownLeader: true, sinceRegression: regressionGrace}, ""},
	} {
		if got := c.e.doubt(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestTracker plays scripts of answers: each line is the time in seconds, the
// index asked with, the answer, and what becomes of it.
func TestTracker(t *testing.T) {
	type line struct {
		at    int
		asked uint64
		index uint64
		n     int    // instances
		flags string // filtered, noleader
		want  verdict
		next  uint64 // the index to ask with next
	}
	for name, script := range map[string][]line{
		"quiet life": {
			{0, 0, 5, 1, "", accept, 5},
			{60, 5, 5, 1, "", accept, 5},
			{70, 5, 8, 2, "", accept, 8},
		},
		"removal is confirmed and seen at once": {
			{0, 0, 5, 1, "", accept, 5},
			{1, 5, 6, 0, "", reread, 0},
			{1, 0, 6, 0, "", accept, 6},
			{61, 6, 6, 0, "", accept, 6},
		},
		"unregistered from the start": {
			{0, 0, 5, 0, "", accept, 5},
			{60, 5, 9, 0, "", accept, 9},
		},
		"filtered: held until it is not": {
			{0, 0, 5, 1, "", accept, 5},
			{1, 5, 5, 0, "", reread, 0},
			{1, 0, 5, 0, "filtered", hold, 0},
			{500, 0, 5, 0, "filtered", hold, 0},
			{501, 0, 5, 1, "", accept, 5},
		},
		"filtered while empty is believed: there is nothing to hold": {
			{0, 0, 5, 0, "filtered", accept, 5},
		},
		"no leader": {
			{0, 0, 5, 1, "", accept, 5},
			{1, 0, 5, 0, "noleader", hold, 0},
			{2, 0, 6, 0, "", accept, 6},
		},
		"state lost: held for the grace, then dropped": {
			{0, 0, 500, 2, "", accept, 500},
			{1, 0, 12, 0, "", hold, 0},
			{50, 0, 14, 0, "", hold, 0},
			{90, 0, 14, 0, "", hold, 0},
			{91, 0, 14, 0, "", accept, 14},
		},
		"state lost: whoever comes back first replaces the list at once": {
			{0, 0, 500, 2, "", accept, 500},
			{1, 0, 12, 0, "", hold, 0},
			{2, 0, 13, 1, "", accept, 13},
			{3, 13, 15, 0, "", reread, 0},
			{3, 0, 15, 0, "", hold, 0},
		},
		"regression under a blocking query is read again": {
			{0, 0, 500, 2, "", accept, 500},
			{60, 500, 300, 1, "", reread, 0},
			{60, 0, 300, 2, "", accept, 300},
		},
		"a second regression starts the grace anew": {
			{0, 0, 500, 2, "", accept, 500},
			{1, 0, 12, 0, "", hold, 0},
			{80, 0, 9, 0, "", hold, 0},
			{100, 0, 9, 0, "", hold, 0},
			{170, 0, 9, 0, "", accept, 9},
		},
		"an index of zero still blocks": {
			{0, 0, 0, 1, "", accept, 1},
			{60, 1, 0, 1, "", accept, 1},
		},
	} {
		var tr tracker
		start := time.Unix(1000, 0)
		for i, l := range script {
			a := answer{index: l.index, asked: l.asked, filtered: l.flags == "filtered", knownLeader: l.flags != "noleader"}
			for range l.n {
				a.entries = append(a.entries, entry("x"))
			}
			got, reason := tr.take(start.Add(time.Duration(l.at)*time.Second), a)
			if got != l.want || tr.cur.wait != l.next {
				t.Errorf("%s, line %d: verdict %d, next index %d, want %d, %d", name, i+1, got, tr.cur.wait, l.want, l.next)
			}
			if (reason != "") != (got == hold) {
				t.Errorf("%s, line %d: reason %q with verdict %d", name, i+1, reason, got)
			}
		}
	}
}

// A Consul that lost its state may have got just as far again as what is on disk.
func TestTrackerOfRestored(t *testing.T) {
	start := time.Unix(1000, 0)
	empty := func(index uint64) answer { return answer{index: index, knownLeader: true} }
	restored := func() *tracker { return &tracker{nonEmpty: true, restored: 16, cur: cursor{seen: 16}} }
	for index, want := range map[uint64]verdict{15: hold, 16: hold, 17: accept} {
		if got, _ := restored().take(start, empty(index)); got != want {
			t.Errorf("nothing at index %d: verdict %d, want %d", index, got, want)
		}
	}
	for index, why := range map[uint64]string{15: heldRegression, 16: heldRegression, 17: heldReturned, 1700: heldReturned} {
		tr := restored()
		tr.kept = true // on disk, while Consul was away
		if got, reason := tr.take(start, empty(index)); got != hold || reason != why {
			t.Errorf("nothing at index %d, after what is on disk: verdict %d, %q, want %q", index, got, reason, why)
		}
		if got, reason := tr.take(start.Add(regressionGrace-1), empty(index)); got != hold || reason != why {
			t.Errorf("nothing at index %d, within the grace: verdict %d, %q", index, got, reason)
		}
		if got, _ := tr.take(start.Add(regressionGrace), empty(index)); got != accept {
			t.Errorf("nothing at index %d, after the grace: verdict %d", index, got)
		}
	}
	tr := restored()
	tr.kept = true
	tr.take(start, answer{index: 17, knownLeader: true, entries: []*api.ServiceEntry{entry("x")}})
	if got, _ := tr.take(start, empty(18)); got != accept {
		t.Errorf("once what is on disk was confirmed: verdict %d", got)
	}
	tr = restored()
	tr.take(start, empty(16))
	if got, _ := tr.take(start.Add(regressionGrace-1), empty(16)); got != hold {
		t.Errorf("within the grace: verdict %d", got)
	}
	if got, _ := tr.take(start.Add(regressionGrace), empty(16)); got != accept {
		t.Errorf("after the grace: verdict %d", got)
	}
	tr = restored()
	tr.take(start, answer{index: 16, knownLeader: true, entries: []*api.ServiceEntry{entry("x")}})
	if got, _ := tr.take(start, empty(16)); got != accept {
		t.Errorf("once it was confirmed: verdict %d", got)
	}
}

func TestDeclares(t *testing.T) {
	t0 := time.Unix(1000, 0)
	bare, checked := entry("a"), entry("b", api.HealthPassing)
	maint := entry("c")
	maint.Checks = append(maint.Checks, &api.HealthCheck{CheckID: api.ServiceMaintPrefix + "c", ServiceID: "c", Status: api.HealthCritical})
	var d declares
	for i, c := range []struct {
		after    time.Duration
		entries  []*api.ServiceEntry
		required bool
		revisit  time.Duration
	}{
		{0, nil, false, 0},
		{0, []*api.ServiceEntry{bare}, false, 0},
		{0, []*api.ServiceEntry{bare, maint}, false, 0}, // maintenance declares nothing
		{time.Second, []*api.ServiceEntry{bare, checked}, true, 0},
		{11 * time.Second, []*api.ServiceEntry{bare}, true, 20 * time.Second},
		{12 * time.Second, nil, false, 0},
		{30 * time.Second, []*api.ServiceEntry{bare}, true, time.Second},
		{31 * time.Second, []*api.ServiceEntry{bare}, false, 0},
		{32 * time.Second, []*api.ServiceEntry{checked}, true, 0},
	} {
		required, revisit := d.note(t0.Add(c.after), c.entries)
		if required != c.required || revisit != c.revisit {
			t.Errorf("line %d: %v, %v, want %v, %v", i+1, required, revisit, c.required, c.revisit)
		}
	}
}

func TestCompare(t *testing.T) {
	in := func(key string, h catalog.Health) catalog.Instance {
		return catalog.Instance{Key: key, Health: h, Weight: 1}
	}
	old := &catalog.Service{Instances: []catalog.Instance{in("a", 0), in("b", 0), in("d", 0)}}
	now := &catalog.Service{Instances: []catalog.Instance{in("b", catalog.Critical), in("c", 0), in("d", 0), in("e", 0)}}
	d := compare(old, now)
	if !slices.Equal(d.added, []string{"c", "e"}) || !slices.Equal(d.removed, []string{"a"}) ||
		!slices.Equal(d.changed, []string{"b passing to critical"}) {
		t.Errorf("compare = %+v", d)
	}
	var many catalog.Service
	for i := range 30 {
		many.Instances = append(many.Instances, in(fmt.Sprintf("i%02d", i), 0))
	}
	if d := compare(&catalog.Service{}, &many); len(d.added) != maxNamed+1 || d.added[maxNamed] != "20 more" {
		t.Errorf("a long list is not shortened: %v", d.added)
	}
	for _, c := range []struct {
		a, b catalog.Instance
		want string
	}{
		{catalog.Instance{Address: "10.0.0.1", Port: 1}, catalog.Instance{Address: "10.0.0.1", Port: 2}, "10.0.0.1:1 to 10.0.0.1:2"},
		{catalog.Instance{}, catalog.Instance{Ineligible: "no port"}, "no port"},
		{catalog.Instance{Ineligible: "no port"}, catalog.Instance{}, "eligible"},
		{catalog.Instance{Weight: 1}, catalog.Instance{Weight: 2}, "weight 1 to 2"},
		{catalog.Instance{}, catalog.Instance{Tags: []string{"x"}}, "details"},
	} {
		if got := became(&c.a, &c.b); got != c.want {
			t.Errorf("became = %q, want %q", got, c.want)
		}
	}
}

func TestErrorKind(t *testing.T) {
	if errorKind(api.StatusError{Code: 500, Body: "a"}) != errorKind(api.StatusError{Code: 500, Body: "b"}) {
		t.Error("one status with two texts is two kinds")
	}
	if errorKind(errors.New("refused")) == errorKind(context.DeadlineExceeded) {
		t.Error("a refusal and a timeout are one kind")
	}
}
