package unknown_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy/unknown"
)

func note(p *unknown.Paths, path string, caller uint64) {
	p.Note(time.Second, []byte("api.example.com"), []byte(path), "GET", caller)
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                  "/",
		"*":                  "*",
		"/a/b/":              "/a/b/",
		"/users/42":          "/users/{n}",
		"/users/42/cards/7":  "/users/{n}/cards/{n}",
		"/api/v2/orders":     "/api/v2/orders",
		"/o/3f2a9c01":        "/o/{id}",
		"/o/decade":          "/o/decade",
		"/ord-20260014":      "/{id}",
		"/k3J9x2Pq81":        "/{id}",
		"/a@example.com/x":   "/{id}/x",
		"/wp-login.php":      "/wp-login.php",
		"/%3Cscript%3E":      "/{id}",
		"/oauth2/callback":   "/oauth2/callback",
		"/2026-11-23/report": "/{id}/report",
		"/6b1f0f0e-6c53-4b0a-9d4b-0f3b8e9b7a11/x": "/{id}/x",
		"/" + strings.Repeat("s", 41):             "/{id}",
	} {
		p := unknown.New(1)
		note(p, path, 1)
		if got := p.Top(1)[0]; got.Shape != want || got.Example != path {
			t.Errorf("%s: %q of %q, want %q", path, got.Shape, got.Example, want)
		}
	}
}

// Nobody can make an entry large.
func TestEntriesAreBounded(t *testing.T) {
	t.Parallel()
	p := unknown.New(4)
	p.Note(0, []byte(strings.Repeat("h", 5000)), []byte(strings.Repeat("/segment", 5000)), "GET", 1)
	got := p.Top(1)[0]
	if len(got.Host) != 64 || len(got.Shape) > 170 || !strings.HasSuffix(got.Shape, "/segment/...") || len(got.Example) > 400 {
		t.Errorf("host of %d, shape of %d, example of %d bytes: %s", len(got.Host), len(got.Shape), len(got.Example), got.Shape)
	}
}

// The promises of Space-Saving, against exact counts: what is frequent is kept, no
// count is too low, and none is too high by more than it says.
func TestCountsAgainstExactOnes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const most, requests = 32, 20_000
	for range 5 {
		p := unknown.New(most)
		exact := map[string]uint64{}
		for range requests {
			path := "/x" + strings.Repeat("y", int(random.ExpFloat64()*6))
			if random.IntN(3) == 0 {
				path = fmt.Sprintf("/noise-%c%c%c", 'g'+random.IntN(20), 'g'+random.IntN(20), 'g'+random.IntN(20))
			}
			exact[path]++
			note(p, path, 1)
		}
		got := p.Top(most + 1)
		if len(got) != most {
			t.Fatalf("%d paths", len(got))
		}
		for _, e := range got {
			if n := exact[e.Shape]; e.Requests < n || e.Requests-e.Over > n {
				t.Errorf("%s: %d, too high by at most %d, but %d", e.Shape, e.Requests, e.Over, n)
			}
		}
		for path, n := range exact {
			if n > requests/most && !slices.ContainsFunc(got, func(e unknown.Path) bool { return e.Shape == path }) {
				t.Errorf("%s was asked for %d times and is not there", path, n)
			}
		}
		if n, missed, paths := p.Totals(); n != requests || missed != 0 || paths != most {
			t.Errorf("%d requests, %d missed, %d paths", n, missed, paths)
		}
	}
}

func TestWhoAsks(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, callers := range []int{1, 2, 10, 100, 300} {
		p := unknown.New(8)
		digests := make([]uint64, callers)
		for i := range digests {
			digests[i] = random.Uint64()
		}
		for range 3 {
			for _, d := range digests {
				note(p, "/a", d)
			}
		}
		for range 1000 {
			note(p, "/a", digests[0])
		}
		e := p.Top(1)[0]
		if off := e.Callers - callers; off < -callers/4-1 || off > callers/4+1 {
			t.Errorf("%d callers, estimated %d", callers, e.Callers)
		}
		if e.Top[0].Digest != digests[0] || e.Top[0].Requests < 1000 {
			t.Errorf("most is asked by %+v", e.Top)
		}
	}
}

func TestMethodsAndTimes(t *testing.T) {
	t.Parallel()
	p := unknown.New(2)
	p.Note(5*time.Second, []byte("h"), []byte("/a"), "GET", 1)
	p.Note(7*time.Second, []byte("h"), []byte("/a"), "POST", 1)
	p.Note(9*time.Second, []byte("h"), []byte("/a"), "GET", 1)
	p.Note(9*time.Second, []byte("other"), []byte("/a"), "GET", 1)
	e := p.Top(1)[0]
	if e.Host != "h" || !slices.Equal(e.Methods, []string{"GET", "POST"}) || e.First != 5*time.Second || e.Last != 9*time.Second || e.Requests != 3 {
		t.Errorf("%+v", e)
	}
}

// Requests at the same moment are counted, or said to be missed.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	p := unknown.New(16)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 1000 {
				note(p, fmt.Sprintf("/%c", 'a'+(w+i)%26), uint64(i))
				if i%100 == 0 {
					p.Top(5)
				}
			}
		})
	}
	wg.Wait()
	if n, missed, _ := p.Totals(); n+missed != 4000 {
		t.Errorf("%d counted and %d missed", n, missed)
	}
}

func BenchmarkNote(b *testing.B) {
	p := unknown.New(256)
	host, path := []byte("api.example.com"), []byte("/users/42/cards/7")
	b.ReportAllocs()
	for b.Loop() {
		p.Note(0, host, path, "GET", 7)
	}
}
