package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

// leastInterval keeps -watch from being a load on the gateway.
const leastInterval = 100 * time.Millisecond

// screen is a terminal.
type screen interface {
	io.Writer
	// Size returns columns and lines, 0 for what nobody knows.
	Size() (width, height int)
}

// watcher shows the same thing again and again.
type watcher struct {
	look    func() (view, error)
	title   string
	out     io.Writer
	errs    io.Writer
	screen  screen           // nil where the output is no terminal
	now     func() time.Time // for the title
	ticks   <-chan time.Time
	resized <-chan os.Signal
}

// watch runs a watcher until the person at the terminal has had enough.
func watch(e env, look func() (view, error), title string, interval time.Duration) int {
	ctx, stop := interruptible()
	defer stop()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	resized := make(chan os.Signal, 1)
	if len(resizing) > 0 {
		signal.Notify(resized, resizing...)
		defer signal.Stop(resized)
	}
	w := &watcher{look: look, title: title, out: e.stdout, errs: e.stderr, now: time.Now, ticks: tick.C, resized: resized}
	if e.getenv("TERM") != "dumb" {
		w.screen = screenOf(e.stdout)
	}
	if err := w.run(ctx); err != nil {
		return fail(e, err)
	}
	return exitOK
}

// run fails only when the first look does: a gateway that goes away may come back.
func (w *watcher) run(ctx context.Context) error {
	v, err := w.look()
	if err != nil {
		return err
	}
	if w.screen == nil || v.json != nil {
		return w.print(ctx, v)
	}
	return w.redraw(ctx, v)
}

// print writes one answer after another.
func (w *watcher) print(ctx context.Context, v view) error {
	for first := true; ; first = false {
		if !first && v.json == nil {
			fmt.Fprintln(w.out)
		}
		v.write(w.out)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-w.ticks:
			}
			next, err := w.look()
			if err == nil {
				v = next
				break
			}
			fmt.Fprintf(w.errs, "lictor: %v\n", err)
		}
	}
}

// redraw draws one answer over the other, and leaves the terminal as it was.
func (w *watcher) redraw(ctx context.Context, v view) error {
	fmt.Fprint(w.screen, otherScreen)
	defer fmt.Fprint(w.screen, usualScreen)
	var before, last map[string][]string // rows that the frame differs from, and its own
	note := ""
	for at := w.now(); ; {
		width, height := w.screen.Size()
		f := &frame{width: width, height: height, title: w.title, note: note, at: at, before: before}
		if width <= 0 || height <= 0 {
			f.width, f.height = 80, 24
		}
		var text string
		text, last = f.draw(v.tables)
		fmt.Fprint(w.screen, text)
		select {
		case <-ctx.Done():
			return nil
		case <-w.resized: // the same once more
			continue
		case <-w.ticks:
		}
		next, err := w.look()
		if err != nil {
			note = err.Error()
			continue
		}
		v, before, note, at = next, last, "", w.now()
	}
}
