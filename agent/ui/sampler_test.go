package ui

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// event is one of a message.
type event struct {
	kind string
	data map[string]any
}

func events(t *testing.T, message []byte) []event {
	t.Helper()
	var list []event
	for part := range strings.SplitSeq(strings.TrimSuffix(string(message), "\n\n"), "\n\n") {
		if part == "" {
			continue
		}
		var e event
		for line := range strings.SplitSeq(part, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			switch name {
			case "event":
				e.kind = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.data); err != nil {
					t.Fatalf("%v in %s", err, value)
				}
			}
		}
		list = append(list, e)
	}
	return list
}

func TestViewersGetEverythingOnceAndThenChanges(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := NewSampler(f)
	s.sample(at(0))
	if f.asked != 0 {
		t.Errorf("asked for the state %d times while nobody watches", f.asked)
	}
	if !s.watch() {
		t.Fatal("refused")
	}
	message, seen, more := s.next(0, true)
	e := events(t, message)
	if len(e) != 1 || e[0].kind != "state" || len(e[0].data["instances"].(map[string]any)) != 2 || e[0].data["unknown"] == nil {
		t.Fatalf("%v", e)
	}
	f.change(func(f *fakeGateway) {
		f.state.Instances = with(f.state.Instances, Instance("orders", "a"), "benched")
		f.answers = []Answer{{Seq: 1, Path: "/<b>"}}
	})
	s.sample(at(1))
	<-more
	message, seen, _ = s.next(seen, false)
	e = events(t, message)
	if len(e) != 1 || e[0].kind != "step" {
		t.Fatalf("%v", e)
	}
	changed, _ := e[0].data["instances"].(map[string]any)
	if len(changed) != 1 || changed["orders\na"] != "benched" || e[0].data["routes"] != nil || e[0].data["gateway"] != nil || len(e[0].data["answers"].([]any)) != 1 {
		t.Errorf("%v", e[0].data)
	}
	f.change(func(f *fakeGateway) { f.state.Instances = with(f.state.Instances, Instance("orders", "b"), nil) })
	s.sample(at(2))
	s.sample(at(3))
	message, _, _ = s.next(seen, false)
	e = events(t, message)
	if len(e) != 2 {
		t.Fatalf("%d events for a viewer that is late by two", len(e))
	}
	gone := e[0].data["gone"].(map[string]any)["instances"].([]any)
	if len(gone) != 1 || gone[0] != "orders\nb" || e[1].data["answers"] != nil || len(e[1].data["gone"].(map[string]any)) != 0 {
		t.Errorf("%v, then %v", e[0].data, e[1].data)
	}
}

// What a viewer puts together from changes is what another one gets at once.
func TestALateViewerGetsEverythingAgain(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := NewSampler(f)
	s.watch()
	_, seen, _ := s.next(0, true)
	for i := range keptChanges + 1 {
		s.sample(at(i))
	}
	message, now, _ := s.next(seen, false)
	if e := events(t, message); len(e) != 1 || e[0].kind != "state" || now != keptChanges+1 {
		t.Errorf("%d events, the first %s, up to %d", len(e), e[0].kind, now)
	}
	if message, _, _ := s.next(now, false); len(message) != 0 {
		t.Errorf("there is nothing new, but %s", message)
	}
}

func TestNobodyIsAskedWhenNobodyWatches(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := NewSampler(f)
	s.watch()
	s.sample(at(1))
	s.leave()
	was := f.asked
	s.sample(at(2))
	if f.asked != was || s.tables != nil {
		t.Errorf("asked %d times after %d", f.asked, was)
	}
	f.change(func(f *fakeGateway) { f.state.Gateway = 7 })
	s.watch()
	message, _, _ := s.next(0, true)
	if e := events(t, message); e[0].data["gateway"] != 7.0 {
		t.Errorf("stale: %v", e[0].data["gateway"])
	}
}

func TestViewersAreBounded(t *testing.T) {
	t.Parallel()
	s := NewSampler(newFake())
	for range mostViewers {
		if !s.watch() {
			t.Fatal("too few may watch")
		}
	}
	if s.watch() {
		t.Error("one too many")
	}
	s.leave()
	if !s.watch() {
		t.Error("a place that became free is not given away")
	}
}

// The keys of a limit stay as they are until somebody looks again, or it is gone.
func TestTopKeysStay(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.change(func(f *fakeGateway) {
		f.state.Limits = map[string]any{"a": 1, "b": 1}
		f.state.Tops = map[string]any{"a": "x", "b": "y"}
	})
	s := NewSampler(f)
	s.watch()
	f.change(func(f *fakeGateway) { f.state.Tops = map[string]any{"a": "z"} })
	s.sample(at(1))
	if got := s.tables.rows["tops"]; got["a"] != `"z"` || got["b"] != `"y"` {
		t.Errorf("%v", got)
	}
	f.change(func(f *fakeGateway) { f.state.Limits = map[string]any{"a": 1} })
	s.sample(at(2))
	if got := s.tables.rows["tops"]; len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// Answers that come between a viewer's first message and the next step are told
// once.
func TestAnswersAreToldOnce(t *testing.T) {
	t.Parallel()
	f := newFake()
	s := NewSampler(f)
	s.watch()
	f.change(func(f *fakeGateway) { f.answers = []Answer{{Seq: 2}, {Seq: 1}} })
	s.sample(at(1))
	f.change(func(f *fakeGateway) { f.answers = []Answer{{Seq: 3}, {Seq: 2}, {Seq: 1}} })
	first, seen, _ := s.next(0, true)
	s.sample(at(2))
	then, _, _ := s.next(seen, false)
	var got []any
	for _, e := range append(events(t, first), events(t, then)...) {
		for _, a := range e.data["answers"].([]any) {
			got = append(got, a.(map[string]any)["n"])
		}
	}
	if len(got) != 3 || got[0] != 2.0 || got[1] != 1.0 || got[2] != 3.0 {
		t.Errorf("%v", got)
	}
}

// Two thousand instances of which one changes: the message is about that one.
func TestAMessageIsAsLargeAsTheChange(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.change(func(f *fakeGateway) {
		for i := range 2000 {
			f.state.Instances[Instance("s", strings.Repeat("x", 10)+string(rune('a'+i%26))+time.Duration(i).String())] = map[string]any{"state": "open"}
		}
	})
	s := NewSampler(f)
	s.watch()
	_, seen, _ := s.next(0, true)
	f.change(func(f *fakeGateway) { f.state.Instances = with(f.state.Instances, Instance("orders", "a"), "benched") })
	s.sample(at(1))
	message, _, _ := s.next(seen, false)
	if len(message) > 500 {
		t.Errorf("%d bytes: %s", len(message), message)
	}
}

// What came from a network ends neither a line of the stream nor a string.
func TestHostileText(t *testing.T) {
	t.Parallel()
	f := newFake()
	hostile := "/a\n\ndata: {}\r\n\u2028</script><img src=x onerror=alert(1)>\xff\x00"
	f.change(func(f *fakeGateway) {
		f.state.Services = map[string]any{hostile: hostile}
		f.answers = []Answer{{Seq: 1, Path: hostile, Host: hostile, Method: hostile}}
	})
	s := NewSampler(f)
	s.watch()
	message, _, _ := s.next(0, true)
	e := events(t, message)
	if len(e) != 1 || strings.ContainsAny(strings.TrimSuffix(string(message), "\n\n"), "<>\r\x00\u2028") {
		t.Errorf("%d events: %s", len(e), message)
	}
	for name := range e[0].data["services"].(map[string]any) {
		if !strings.HasPrefix(name, "/a\n\ndata: {}\r\n\u2028</script><img") {
			t.Errorf("came out as %q", name)
		}
	}
}
