package simulate

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy/step/limit"
)

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		spread bool
		starts []time.Duration
		want   []time.Duration
		late   uint64
	}{
		{"sorted", false, []time.Duration{1, 2, 3}, []time.Duration{1, 2, 3}, 0},
		{"long ones", false, []time.Duration{5, 2 + Window, 1 + Window, 2, 3 + Window}, []time.Duration{2, 5, 1 + Window, 2 + Window, 3 + Window}, 0},
		{"too late", false, []time.Duration{5, 6 + Window, 7 + Window, 1}, []time.Duration{5, 1, 6 + Window, 7 + Window}, 1},
		{
			"spread", true,
			[]time.Duration{2 * time.Second, time.Second, 2 * time.Second, time.Second, 2 * time.Second, 2 * time.Second},
			[]time.Duration{time.Second, 1500 * time.Millisecond, 2 * time.Second, 2250 * time.Millisecond, 2500 * time.Millisecond, 2750 * time.Millisecond},
			0,
		},
		{"none", true, nil, nil, 0},
	} {
		var got []time.Duration
		o := order{spread: c.spread, emit: func(r *Request) { got = append(got, r.Start) }}
		for _, at := range c.starts {
			o.add(&Request{Start: at})
		}
		o.flush()
		if !slices.Equal(got, c.want) || o.late != c.late {
			t.Errorf("%s: got %v, %d late, want %v and %d", c.name, got, o.late, c.want, c.late)
		}
	}
}

// TestOrderIsBounded wants no more lines to wait than may, and all to come out.
func TestOrderIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	n, most := 0, 0
	var o order
	o.emit = func(*Request) { n, most = n+1, max(most, len(o.waiting)) }
	for range 2 * MostWaiting {
		o.add(&Request{Start: time.Duration(random.Int64N(int64(time.Second)))})
	}
	o.flush()
	if n != 2*MostWaiting || most > MostWaiting || o.late == 0 {
		t.Errorf("%d came out, %d waited, %d were late", n, most, o.late)
	}
}

func TestTimeline(t *testing.T) {
	var l timeline
	total := 0
	for i := range 5000 {
		l.add(100*time.Second+time.Duration(i)*time.Second, i%5 == 0)
		total++
	}
	l.add(0, true) // late
	var allowed, denied uint64
	for _, p := range l.parts {
		allowed, denied = allowed+p.allowed, denied+p.denied
	}
	if allowed != 4000 || denied != 1001 || len(l.parts) > spans || l.width != 32*time.Second {
		t.Errorf("%d allowed, %d denied in %d parts of %s", allowed, denied, len(l.parts), l.width)
	}
}

func TestDistinct(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var d distinct
	if n, exact := d.count(); n != 0 || !exact {
		t.Errorf("got %d, exact %t of none", n, exact)
	}
	for i := range 1_000_000 {
		d.add(random.Uint64())
		if i+1 == exactly || i+1 == 3*exactly || i+1 == 1_000_000 {
			n, exact := d.count()
			off := float64(n)/float64(i+1) - 1
			if off < -0.05 || off > 0.05 || exact != (i+1 == exactly) {
				t.Errorf("got %d of %d, exact %t", n, i+1, exact)
			}
		}
	}
}

// TestTop wants the frequent keys to be found among many, with true bounds.
func TestTop(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var tops top[string]
	truth := map[uint64]uint64{}
	for i := range 300_000 {
		key := random.Uint64()
		if i%3 == 0 {
			key = uint64(random.IntN(8)) // each one in 24
		}
		truth[key]++
		if tops.get(key) == "" {
			tops.add(key, fmt.Sprint(key))
		}
		tops.count(key)
	}
	if len(tops.heap) != mostTop || len(tops.at) != mostTop {
		t.Fatalf("%d keys are followed", len(tops.heap))
	}
	for _, c := range tops.list(8, func(s string) string { return s }) {
		if c.hash > 7 || c.n < truth[c.hash] || c.n-c.error > truth[c.hash] {
			t.Errorf("key %s: between %d and %d, was %d", c.value, c.n-c.error, c.n, truth[c.hash])
		}
	}
}

func TestHeap(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	var heap []flying
	var want []time.Duration
	for range 1000 {
		at := time.Duration(random.IntN(300))
		push(&heap, flying{end: at})
		want = append(want, at)
	}
	slices.SortFunc(want, cmp.Compare)
	for _, at := range want {
		if got := pop(&heap).end; got != at {
			t.Fatalf("got %d, want %d", got, at)
		}
	}
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSources wants the same report of a log however it is stored and cut.
func TestSources(t *testing.T) {
	raw, err := os.ReadFile("testdata/log.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want := replayed(t, "", "testdata/log.jsonl")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	half := bytes.Index(raw, []byte("00:10.000Z")) // in the middle of a line
	half += bytes.IndexByte(raw[half:], '\n') + 1
	for name, logs := range map[string][]string{
		"gzip":           {write(t, "log", zipped.Bytes())},
		"carriage":       {write(t, "log", bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")))},
		"no newline":     {write(t, "log", bytes.TrimSuffix(raw, []byte("\n")))},
		"two logs":       {write(t, "a", raw[:half]), write(t, "b", raw[half:])},
		"blocks":         {write(t, "log", slices.Concat(bytes.Repeat([]byte("\n"), 3*blockSize), raw))},
		"a line too far": {write(t, "log", slices.Concat(raw, bytes.Repeat([]byte("x"), 3*MaxLine), []byte("\n")))},
	} {
		got := replayed(t, "", logs...)
		if got.Requests != want.Requests || got.Denied != want.Denied || got.Admitted != want.Admitted {
			t.Errorf("%s: %d requests, %d denied, %d admitted, want %d, %d and %d", name, got.Requests, got.Denied, got.Admitted, want.Requests, want.Denied, want.Admitted)
		}
		bad := uint64(0)
		for _, f := range got.Logs {
			bad += f.Bad
		}
		if extra := uint64(strings.Count(name, "too far")); bad != 3+extra {
			t.Errorf("%s: %d bad lines", name, bad)
		}
	}
}

func TestLinesOfTheLogAreNumbered(t *testing.T) {
	raw, err := os.ReadFile("testdata/log.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	const before = 2*blockSize + 17
	r := replayed(t, "", write(t, "log", slices.Concat(bytes.Repeat([]byte("\n"), before), raw)))
	if len(r.BadLines) != 3 || r.BadLines[0].Line != before+24 || r.Logs[0].Lines != before+28 {
		t.Errorf("%+v, %+v", r.Logs, r.BadLines)
	}
}

func TestOpenRefuses(t *testing.T) {
	broken := write(t, "log.gz", []byte("\x1f\x8bnonsense"))
	for _, c := range []struct {
		name, format string
		want         string
	}{
		{"missing.log", "", "opening the log"},
		{write(t, "log", []byte("nonsense\n")), "", "say which it is"},
		{write(t, "log", []byte("nonsense\n")), "xml", "there is no such format"},
		{broken, "", "gzip"},
		{t.TempDir(), "", "reading the log"},
	} {
		s, err := Open(c.name, c.format, nil)
		if err == nil || s != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestRunEnds wants a replay to end with its context, and with a log that breaks off.
func TestRunEnds(t *testing.T) {
	raw, err := os.ReadFile("testdata/log.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		fmt.Fprintf(z, "%s%d\n", raw[:bytes.IndexByte(raw, '\n')+1], random.Uint64())
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	policy := policyOf(t, "testdata/policy.hcl")
	open := func(text []byte) *Source {
		s, err := Open("-", "json", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	if _, err := Run(t.Context(), Options{Policy: policy, Logs: []*Source{open(zipped.Bytes()[:zipped.Len()/2])}}); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("a log that breaks off: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, Options{Policy: policy, Logs: []*Source{open(zipped.Bytes())}}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if _, err := Run(t.Context(), Options{Policy: policy}); err == nil {
		t.Error("no log, no error")
	}
}

// TestNotInTheLog wants limits left out that the log doesn't tell enough for, and
// nothing guessed.
func TestNotInTheLog(t *testing.T) {
	all, none := Holds{true, true, true, true, true}, Holds{}
	for _, c := range []struct {
		block string
		holds Holds
		want  string
	}{
		{`limit "token_bucket" "l" { rate = "1/s" }`, none, ""},
		{"limit \"token_bucket\" \"l\" {\nrate = \"1/s\"\nkey = [request.host]\n}", none, "not in the log: request.host"},
		{"limit \"token_bucket\" \"l\" {\nrate = \"1/s\"\nkey = [request.host]\n}", all, ""},
		{"limit \"token_bucket\" \"l\" {\nrate = \"1/s\"\nkey = [request.header[\"User-Agent\"]]\n}", none, `not in the log: request.header["user-agent"]`},
		{"limit \"token_bucket\" \"l\" {\nrate = \"1/s\"\nkey = [request.header[\"Referer\"]]\n}", all, ""},
		{"limit \"token_bucket\" \"l\" {\nrate = \"1/s\"\nkey = [request.header[\"X-Key\"], jwt.sub, client.cert]\n}", all, `not in the log: request.header["x-key"], jwt.sub, client.cert`},
		{"limit \"token_bucket\" \"l\" {\nrate = \"9/s\"\nunit = \"bytes\"\n}", none, "not in the log: the length of bodies"},
		{"limit \"concurrency\" \"l\" {\nmax = 1\n}", none, "not in the log: how long requests took"},
		{"limit \"concurrency\" \"l\" {\nmax = 1\n}", all, ""},
		{"limit \"adaptive_concurrency\" \"l\" {\n}", all, "not simulated"},
		{"limit \"token_bucket\" \"l\" {\nrate = \"9/s\"\nmode = \"disabled\"\n}", all, "disabled"},
	} {
		p := policyOf(t, write(t, "p.hcl", []byte(expand(c.block)+"route \"a\" {\nservice = \"a\"\nlimits = [\"l\"]\n}\n")))
		got := whyNot(&p.Limits[0], c.holds)
		if got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%s\ngot %q, want %q", c.block, got, c.want)
		}
		made, err := build(p, c.holds)
		if err != nil {
			t.Fatal(err)
		}
		if (made.tallies[0].limit == nil) != (got != "") {
			t.Errorf("%s: simulated although %q", c.block, got)
		}
	}
	if told(&limit.KeyPart{Kind: 99}, all) {
		t.Error("an unknown part of a key is told")
	}
}

// TestHostIsGiven wants -host to stand for the host of logs that have none.
func TestHostIsGiven(t *testing.T) {
	var log bytes.Buffer
	for i := range 8 {
		fmt.Fprintf(&log, "192.0.2.1 - - [04/May/2026:03:02:%02d +0000] \"GET /shop HTTP/1.1\" 200 5\n", i/4)
	}
	name := write(t, "log", log.Bytes())
	without, with := replayed(t, "", name), replayed(t, "shop.example.com", name)
	if without.Answers["no-route"] != 8 || with.Answers["no-route"] != 0 || with.Denied != 4 {
		t.Errorf("without %+v, with %+v", without.Answers, with.Answers)
	}
	if !slices.ContainsFunc(without.Notes, func(n string) bool { return strings.Contains(n, `"shop" asks for a host`) }) {
		t.Errorf("%q", without.Notes)
	}
}
