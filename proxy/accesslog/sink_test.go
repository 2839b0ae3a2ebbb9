package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// file is a log file in memory. While gate is not nil, each write waits for it.
type file struct {
	mu     sync.Mutex
	b      bytes.Buffer
	gate   chan struct{}
	entry  chan struct{} // told when a write begins, if not nil
	fault  func(p []byte) (int, error)
	closed int
}

func (f *file) Write(p []byte) (int, error) {
	if f.entry != nil {
		f.entry <- struct{}{}
	}
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		n, err := f.fault(p)
		f.b.Write(p[:n])
		return n, err
	}
	return f.b.Write(p)
}

func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

func (f *file) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.String()
}

// run starts the sink on a file and returns what ends it.
func run(t testing.TB, s *Sink, open Opener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, open) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func opening(f *file) Opener { return func() (io.WriteCloser, error) { return f, nil } }

func (s *Sink) put(text string) {
	l := s.Begin()
	l.B = append(append(l.B, text...), '\n')
	s.Commit(l)
}

// checkLines holds that every line is whole, and returns how many there are of
// each writer.
func checkLines(t *testing.T, text string) map[string]int {
	t.Helper()
	got := map[string]int{}
	for line := range strings.Lines(text) {
		who, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var n, size int
		if _, err := fmt.Sscanf(rest, "%d %d ", &n, &size); err != nil || !strings.HasSuffix(rest, strings.Repeat("x", size)+".") {
			t.Fatalf("a torn line: %.100q", line)
		}
		got[who]++
	}
	return got
}

func lineOf(who string, n, size int) string {
	return fmt.Sprintf("%s %d %d %s.", who, n, size, strings.Repeat("x", size))
}

func TestNothingIsLost(t *testing.T) {
	for _, shards := range []int{0, 1, 4} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			s, f := NewSink(shards), new(file)
			stop := run(t, s, opening(f))
			var wg sync.WaitGroup
			const writers, each = 8, 400
			for w := range writers {
				wg.Go(func() {
					for n := range each {
						s.put(lineOf(fmt.Sprint("w", w), n, n%500))
						if n%20 == 19 { // so that the file keeps up
							if err := s.Flush(context.Background()); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			wg.Wait()
			stop()
			got := checkLines(t, f.text())
			for w := range writers {
				if n := got[fmt.Sprint("w", w)]; n != each {
					t.Errorf("writer %d: %d lines of %d", w, n, each)
				}
			}
			if s.Lines() != writers*each || s.Dropped() != 0 || f.closed != 1 {
				t.Errorf("%d lines, %d dropped, closed %d times", s.Lines(), s.Dropped(), f.closed)
			}
		})
	}
}

// TestSlowFileCostsLines: requests never wait for the file; what does not fit
// is counted, and what is counted as written is there.
func TestSlowFileCostsLines(t *testing.T) {
	s := NewSink(1)
	f := &file{gate: make(chan struct{}), entry: make(chan struct{}, 1000)}
	stop := run(t, s, opening(f))
	const lines = 2000
	for n := range lines {
		s.put(lineOf("w", n, 1000))
		if n == 0 { // the file hangs from the first block on
			go func() { _ = s.Flush(context.Background()) }() // returns at the end
			<-f.entry
		}
	}
	if s.Dropped() == 0 {
		t.Errorf("%d lines fit into the bound", lines)
	}
	close(f.gate)
	stop()
	if n := checkLines(t, f.text())["w"]; uint64(n) != s.Lines() || s.Lines()+s.Dropped() != lines || n == 0 {
		t.Errorf("%d lines in the file, %d counted, %d dropped, of %d", n, s.Lines(), s.Dropped(), lines)
	}
}

func TestLongLines(t *testing.T) {
	s, f := NewSink(1), new(file)
	stop := run(t, s, opening(f))
	s.put(lineOf("a", 1, 10))
	s.put(strings.Repeat("y", MaxLine)) // with the newline one byte too long
	s.put(strings.Repeat("y", 10*blockSize))
	s.put(lineOf("a", 2, MaxLine-100))
	s.put(lineOf("a", 3, MaxLine-100))
	stop()
	if got := checkLines(t, f.text()); got["a"] != 3 || s.Dropped() != 2 {
		t.Errorf("%v, %d dropped", got, s.Dropped())
	}
}

var errDisk = errors.New("no space left")

// TestFullDisk: a write that fails half way leaves a line torn; all others are
// whole, and counted right.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that no tick comes between
		s, f := NewSink(1), new(file)
		stop := run(t, s, opening(f))
		flush := func() {
			t.Helper()
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		f.fault = func([]byte) (int, error) { return 10, errDisk }
		s.put("first 89")
		s.put("second")
		flush() // "first 89\ns"
		f.fault = func([]byte) (int, error) { return 0, errDisk }
		s.put("third")
		flush()
		f.fault = nil
		s.put("fourth")
		flush()
		stop()
		if got := f.text(); got != "first 89\ns\nfourth\n" {
			t.Errorf("%q", got)
		}
		if s.Lines() != 2 || s.Dropped() != 2 {
			t.Errorf("%d lines, %d dropped", s.Lines(), s.Dropped())
		}
	})
}

func TestReopen(t *testing.T) {
	s := NewSink(2)
	files := []*file{new(file), new(file)}
	opened := 0
	var refuse error
	stop := run(t, s, func() (io.WriteCloser, error) {
		if refuse != nil {
			return nil, refuse
		}
		opened++
		return files[opened-1], nil
	})
	s.put("one")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	refuse = errDisk
	if err := s.Reopen(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	s.put("two")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	refuse = nil
	s.put("three") // committed before the file changes: it belongs into the old one
	if err := s.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.put("four")
	stop()
	if a, b := files[0].text(), files[1].text(); a != "one\ntwo\nthree\n" || b != "four\n" {
		t.Errorf("%q, then %q", a, b)
	}
	if files[0].closed != 1 || files[1].closed != 1 {
		t.Errorf("closed %d and %d times", files[0].closed, files[1].closed)
	}
}

// TestFlushesByItself within the interval.
func TestFlushesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSink(1)
		f := &file{entry: make(chan struct{})}
		stop := run(t, s, opening(f))
		s.put("alone")
		<-f.entry
		synctest.Wait()
		if got := f.text(); got != "alone\n" {
			t.Errorf("%q", got)
		}
		stop()
	})
}

func TestEndOfContext(t *testing.T) {
	s := NewSink(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush: %v", err)
	}
	if err := s.Reopen(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Reopen: %v", err)
	}
	if err := s.Run(t.Context(), func() (io.WriteCloser, error) { return nil, errDisk }); !errors.Is(err, errDisk) {
		t.Errorf("Run: %v", err)
	}
}

// TestFinalFlushUnderLoad stops the sink while writers are at it: what was
// committed before the stop is in the file.
func TestFinalFlushUnderLoad(t *testing.T) {
	s, f := NewSink(4), new(file)
	stop := run(t, s, opening(f))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := range 50 {
				s.put(lineOf(fmt.Sprint("w", w), n, 2000))
			}
		})
	}
	wg.Wait()
	stop()
	sum := 0
	for _, n := range checkLines(t, f.text()) {
		sum += n
	}
	if uint64(sum) != s.Lines() || s.Lines()+s.Dropped() != 200 {
		t.Errorf("%d in the file, %d counted, %d dropped", sum, s.Lines(), s.Dropped())
	}
}

func BenchmarkLine(b *testing.B) {
	text := strings.Repeat("x", 350) + "\n"
	for _, shards := range []int{1, 4} {
		b.Run(fmt.Sprint(shards, " shards"), func(b *testing.B) {
			s := NewSink(shards)
			stop := run(b, s, func() (io.WriteCloser, error) { return nowhere{}, nil })
			defer stop()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					l := s.Begin()
					l.B = append(l.B, text...)
					s.Commit(l)
				}
			})
		})
	}
}

// nowhere takes everything at once.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }
