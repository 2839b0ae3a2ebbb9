//go:build e2e

package redis

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

// TestGolden plays the traces that the limiters in memory are held to, up to the
// first reload: there, what has come back until the reload came back at the old
// pace, while a store hears of new numbers when a key is asked for next.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("../testdata/golden/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no traces: %v", err)
	}
	st := newStore(t, startServer(t), nil)
	played := map[string]bool{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			g := golden{t: t, store: st}
			for i, line := range strings.Split(string(text), "\n") {
				g.line = i + 1
				f := strings.Fields(line)
				if len(f) == 0 || f[0][0] == '#' {
					continue
				}
				if f[0] == "reload" {
					break
				}
				g.play(f)
			}
			played[g.limiter.form.kind] = true
		})
	}
	for _, kind := range []string{"bucket", "leaky", "fixed", "counter", "log", "buckets"} {
		if !played[kind] {
			t.Errorf("there is no trace of %s", kind)
		}
	}
}

type golden struct {
	t       *testing.T
	store   *Store
	line    int
	limiter *Limiter
}

func (g *golden) play(f []string) {
	g.t.Helper()
	switch f[0] {
	case "limit":
		g.limiter = newScripted(g.t, g.store, g.spec(f[1], f[2:]))
	case "refund":
		// A charge of the moment, as Refund finds it.
		moment, d := int64(g.span(f[1])), digestOf(g.limiter.domain, []byte(f[2]))
		if _, err := g.limiter.call(opRefund, d, g.number(f[3]), g.number(f[3]), &moment, patience); err != nil {
			g.t.Fatalf("line %d: %v", g.line, err)
		}
		g.limiter.known.forget(d)
	case "take", "peek":
		ask := g.limiter.Ask
		if f[0] == "peek" {
			ask = g.limiter.peek
		}
		g.limiter.known.forget(digestOf(g.limiter.domain, []byte(f[2])))
		got, ok := ask([]byte(f[2]), g.number(f[3]), at(int64(g.span(f[1]))))
		if !ok {
			g.t.Fatalf("line %d: the store did not answer", g.line)
		}
		want := limits.Decision{
			Allowed:    f[4] == "yes",
			Delay:      g.span(f[5]),
			Remaining:  g.number(f[6]),
			RetryAfter: g.span(f[7]),
			NextAfter:  g.span(f[8]),
			ResetAfter: g.span(f[9]),
		}
		if got != want {
			g.t.Errorf("line %d:\n got %+v\nwant %+v", g.line, got, want)
		}
	default:
		g.t.Fatalf("line %d: unknown %q", g.line, f[0])
	}
}

func (g *golden) spec(algorithm string, attributes []string) limits.Spec {
	g.t.Helper()
	a, ok := limits.Lookup(algorithm)
	if !ok {
		g.t.Fatalf("line %d: no algorithm %q", g.line, algorithm)
	}
	block := a.New()
	v := reflect.ValueOf(block).Elem()
	for _, attribute := range attributes {
		name, value, _ := strings.Cut(attribute, "=")
		for i := range v.NumField() {
			if tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("hcl"), ","); tag != name {
				continue
			}
			if v.Field(i).Kind() == reflect.String {
				v.Field(i).SetString(value)
			} else {
				v.Field(i).SetInt(g.number(value))
			}
		}
	}
	spec, err := block.Spec()
	if err != nil {
		g.t.Fatalf("line %d: %v", g.line, err)
	}
	return spec
}

func (g *golden) span(s string) time.Duration {
	g.t.Helper()
	if s == "never" {
		return limits.Never
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		g.t.Fatalf("line %d: %v", g.line, err)
	}
	return d
}

func (g *golden) number(s string) int64 {
	g.t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		g.t.Fatalf("line %d: %v", g.line, err)
	}
	return n
}
