package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// glass is a terminal of a size, which a test looks at frame by frame.
type glass struct {
	width, height int
	frames        chan string
}

func (g *glass) Write(p []byte) (int, error) { g.frames <- string(p); return len(p), nil }
func (g *glass) Size() (int, int)            { return g.width, g.height }

// readable shows what a terminal gets in letters.
func readable(s string) string {
	return strings.NewReplacer(
		otherScreen, "<other screen>\n", usualScreen, "<usual screen>\n", toTopLeft, "<top left>", "\r\n"+clearLine, "\n", clearLine, "", clearBelow, "<clear below>\n",
		bold, "<b>", reverse, "<r>", usual, "</>",
	).Replace(s)
}

func servicesGrid(rows ...string) *grid {
	g := newGrid(keys{0, 1}, "SERVICE", "INSTANCE", "ADDRESS", "HEALTH", "REQUESTS", "WHY NOT")
	for _, r := range rows {
		var cells []any
		for cell := range strings.SplitSeq(r, "|") {
			cells = append(cells, cell)
		}
		g.row(cells...)
	}
	return g
}

// TestWatchRedraws plays a terminal: first look, changes, a smaller window, a gateway
// that is away, and the end.
func TestWatchRedraws(t *testing.T) {
	t.Parallel()
	answers := []func() (view, error){
		func() (view, error) {
			return view{tables: []*grid{servicesGrid("web|web-1|10.0.0.1:80|passing|7|", "web|web-2|10.0.0.2:80|passing|7|")}}, nil
		},
		func() (view, error) {
			return view{tables: []*grid{
				servicesGrid("web|web-1|10.0.0.1:80|passing|8|", "web|web-2|10.0.0.2:80|critical|7|the check's output, which is long", "web|web-3|10.0.0.3:80|passing|0|"),
				newGrid(keys{0}, "SERVICE", "SERVING"),
			}}, nil
		},
		func() (view, error) { return view{}, errors.New("it is away") },
		func() (view, error) {
			return view{tables: []*grid{servicesGrid("web|web-1|10.0.0.1:80|passing|8|")}}, nil
		},
	}
	n := 0
	s := &glass{70, 10, make(chan string, 9)}
	ticks, resized := make(chan time.Time), make(chan os.Signal)
	w := &watcher{
		look: func() (view, error) { n++; return answers[n-1]() }, title: "lictor services", screen: s,
		now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, n, 0, time.UTC) }, ticks: ticks, resized: resized,
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	var got strings.Builder
	next := func(what string) { fmt.Fprintf(&got, "== %s\n%s", what, readable(<-s.frames)) }
	next("begin")
	next("first look")
	ticks <- time.Time{}
	next("changes")
	s.width, s.height = 40, 4
	resized <- os.Interrupt // whatever it is
	next("a small window")
	s.width, s.height = 0, 0
	ticks <- time.Time{}
	next("away, and no size")
	ticks <- time.Time{}
	next("back")
	stop()
	next("end")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	golden(t, "watch.txt", got.String())
}

// TestFramesFit: whatever the size, no line is wider nor are there more lines.
func TestFramesFit(t *testing.T) {
	t.Parallel()
	var rows []string
	for i := range 30 {
		rows = append(rows, fmt.Sprintf("service-%d|instance-%d|10.0.0.%d:80|passing|%d|wörds of what ails it", i, i, i, i*i))
	}
	tables := []*grid{servicesGrid(rows...), servicesGrid(rows[:3]...)}
	strip := strings.NewReplacer(toTopLeft, "", clearLine, "", clearBelow, "", bold, "", reverse, "", usual, "")
	for width := 1; width < 120; width += 3 {
		for height := leastForRows; height < 50; height += 2 {
			f := &frame{width: width, height: height, title: "title", before: map[string][]string{}}
			text, _ := f.draw(tables)
			lines := strings.Split(strip.Replace(text), "\r\n")
			if len(lines) > height {
				t.Errorf("%d lines in a window of %d", len(lines), height)
			}
			for _, l := range lines {
				if n := len([]rune(l)); n > width {
					t.Errorf("%d columns in a window of %d: %q", n, width, l)
				}
			}
			if all := strings.Count(text, "\x1b[7m"); height > 40 && width > 100 && (all < 30 || strings.Contains(text, "more rows")) {
				t.Errorf("a window of %d by %d shows %d of the cells", width, height, all)
			}
		}
	}
}

// TestWatchPrints: what is no terminal gets one table after another, without any
// sequence, and hears on standard error of a gateway that is away.
func TestWatchPrints(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	ticks := make(chan time.Time, 9)
	n := 0
	w := &watcher{out: &out, errs: &errs, ticks: ticks, look: func() (view, error) {
		switch n++; n {
		case 2:
			return view{}, errors.New("it is away")
		case 4:
			stop()
			return view{}, errors.New("it is away again")
		}
		return view{tables: []*grid{servicesGrid(fmt.Sprintf("web|web-1|10.0.0.1:80|passing|%d|", n))}}, nil
	}}
	for range 3 {
		ticks <- time.Time{}
	}
	if err := w.run(ctx); err != nil {
		t.Fatal(err)
	}
	const head = "SERVICE  INSTANCE  ADDRESS      HEALTH   REQUESTS  WHY NOT\n"
	want := head + "web      web-1     10.0.0.1:80  passing  1         \n\n" + head + "web      web-1     10.0.0.1:80  passing  3         \n"
	if out.String() != want || errs.String() != "lictor: it is away\nlictor: it is away again\n" {
		t.Errorf("%q\n%q", out.String(), errs.String())
	}
	w.look = func() (view, error) { return view{}, errors.New("it was never there") }
	if err := w.run(t.Context()); err == nil {
		t.Error("a gateway that was never there is watched")
	}
}

// Names choose rows, and so do patterns.
func TestNames(t *testing.T) {
	t.Parallel()
	body := `{"routes":[{"name":"a-1"},{"name":"a-2"},{"name":"b"}]}`
	for args, want := range map[string]string{"": "a-1 a-2 b", "b": "b", "a-*": "a-1 a-2", "a-* b": "a-1 a-2 b", "c": ""} {
		address, _ := answering(t, 200, body)
		r := lictor(map[string]string{"LICTOR_ADDR": address}, append([]string{"routes"}, strings.Fields(args)...)...)
		var got []string
		for i, l := range strings.Split(strings.TrimSpace(r.stdout), "\n") {
			if i > 0 {
				got = append(got, strings.Fields(l)[0])
			}
		}
		if r.code != 0 || strings.Join(got, " ") != want {
			t.Errorf("%q: %+v", args, r)
		}
	}
	for args, want := range map[string]string{"[": "no name, nor a pattern", "-interval 1ms": "at least 100ms"} {
		if r := lictor(nil, append([]string{"routes"}, strings.Fields(args)...)...); r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: %+v", args, r)
		}
	}
}
