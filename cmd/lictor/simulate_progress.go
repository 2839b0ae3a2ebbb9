package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/lictor/lictor/agent/simulate"
)

// showProgress shows on a terminal how much of the logs has been read, until
// finished is called.
func showProgress(e env, logs []*simulate.Source) (finished func()) {
	if e.getenv("TERM") == "dumb" || !terminal(e.stderr) {
		return func() {}
	}
	done := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		t := time.NewTicker(200 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				fmt.Fprint(e.stderr, "\r\x1b[K"+progress(logs))
			case <-done:
				fmt.Fprint(e.stderr, "\r\x1b[K")
				return
			}
		}
	})
	return func() {
		close(done)
		shown.Wait()
	}
}

func progress(logs []*simulate.Source) string {
	read, size, known := int64(0), int64(0), true
	for _, s := range logs {
		read += s.Read()
		size += s.Size
		known = known && s.Size > 0
	}
	return bar(read, size, known)
}

// bar writes how many of how many bytes have been read.
func bar(read, size int64, known bool) string {
	const width, mega = 30, 1 << 20
	if !known || size <= 0 {
		return fmt.Sprintf("%d MiB read", read/mega)
	}
	read = min(read, size)
	full := int(width * read / size)
	return fmt.Sprintf("[%s%s] %3d %% of %d MiB", strings.Repeat("=", full), strings.Repeat(" ", width-full), 100*read/size, size/mega)
}
