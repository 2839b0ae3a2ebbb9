package limits

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestGolden plays the traces in testdata/golden. They were derived from the
// definitions alone, not by this code. A line is one of
//
//	limit ALGORITHM ATTRIBUTE=VALUE...
//	take TIME KEY COST    ALLOWED DELAY REMAINING RETRY NEXT RESET
//	peek TIME KEY COST    ALLOWED DELAY REMAINING RETRY NEXT RESET
//	refund TIME KEY COST
//	reload TIME ATTRIBUTE=VALUE...
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	played := map[string]bool{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			g := golden{t: t}
			for i, line := range strings.Split(string(script), "\n") {
				g.line = i + 1
				if f := strings.Fields(line); len(f) > 0 && f[0][0] != '#' {
					g.play(f)
				}
			}
			played[g.algorithm.Name] = true
		})
	}
	for _, a := range Algorithms() {
		if !played[a.Name] && !a.Holds { // of what is in flight, time tells nothing
			t.Errorf("there is no trace of %s", a.Name)
		}
	}
}

type golden struct {
	t         *testing.T
	line      int
	algorithm Algorithm
	limiter   Limiter
}

func (g *golden) play(f []string) {
	g.t.Helper()
	switch f[0] {
	case "limit":
		algorithm, ok := Lookup(f[1])
		if !ok {
			g.t.Fatalf("line %d: no algorithm %q", g.line, f[1])
		}
		g.algorithm = algorithm
		g.limiter = g.spec(f[2:]).New(Options{})
	case "reload":
		g.limiter = Adopt(g.limiter, g.spec(f[2:]), Options{}, g.time(f[1]))
	case "refund":
		g.limiter.Refund([]byte(f[2]), g.number(f[3]), g.time(f[1]))
	case "take", "peek":
		ask := g.limiter.Take
		if f[0] == "peek" {
			ask = g.limiter.Peek
		}
		got := ask([]byte(f[2]), g.number(f[3]), g.time(f[1]))
		want := Decision{
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

func (g *golden) spec(pairs []string) Spec {
	g.t.Helper()
	block := g.algorithm.New()
	if err := assign(block, pairs); err != nil {
		g.t.Fatalf("line %d: %v", g.line, err)
	}
	spec, err := block.Spec()
	if err != nil {
		g.t.Fatalf("line %d: %v", g.line, err)
	}
	return spec
}

func (g *golden) time(s string) Time { return at(int64(g.span(s))) }

func (g *golden) span(s string) time.Duration {
	g.t.Helper()
	if s == "never" {
		return Never
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
