package upstream

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// Going to the bench and coming back are logged, each once.
func TestBenchingIsLogged(t *testing.T) {
	var out bytes.Buffer
	s := NewSet(Options{Logger: hclog.New(&hclog.LoggerOptions{Output: &out, DisableTime: true})})
	s.Apply(snapshot("consul", instances(1)...))
	p := mustPool(t, s, PoolSpec{Service: "web"})
	for _, o := range []Outcome{Success, Refused, Refused, TimedOut, Success, Success} {
		var a Attempt
		p.Acquire(&a, t0)
		a.Report(o, t0)
		a.Release()
	}
	want := []string{
		"[WARN]  endpoint benched: service=web instance=node/web-0000 endpoint=127.0.0.1:20000 cause=refused",
		"[INFO]  endpoint back from the bench: service=web instance=node/web-0000 endpoint=127.0.0.1:20000",
	}
	if got := strings.Split(strings.TrimSpace(out.String()), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("logged\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Words that become metric labels or are shown to people exist for every value.
func TestEveryValueHasAWord(t *testing.T) {
	seen := map[string]bool{}
	word := func(w, none string) {
		if w == "" || w == none || seen[w] {
			t.Errorf("word %q is missing or there twice", w)
		}
		seen[w] = true
	}
	for r := Acquired; r <= AllTried; r++ {
		word(r.String(), "unknown reason")
	}
	for o := Success; o < outcomes; o++ {
		word(o.String(), "none")
	}
	for s := Open; s <= Draining; s++ {
		word(s.String(), "unknown")
	}
}
