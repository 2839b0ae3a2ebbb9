// Package accesslog carries finished log lines to a file or a syslog server without
// ever making a request wait.
//
// A line is formatted straight into the block of a shard. Full blocks, and
// every block once per flush interval, go to one writer goroutine:
//
//	Begin ─▶ shard's block ─Commit─▶ full ─▶ writer ─▶ file
//	              ▲───────────────── free ◀────┘
//
// The number of blocks is fixed. When the file is so slow that all of them are
// waiting for it, lines are dropped and counted.
package accesslog

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	blockSize = 64 << 10
	// MaxLine bounds one line, in bytes: a longer one is dropped and counted.
	MaxLine = 32 << 10
	// flushEvery is how long a line may wait in a block that does not fill up.
	flushEvery = 100 * time.Millisecond
)

// Line is one line being formatted. Append to B, behind what it holds already,
// and commit it. A line ends with a newline and holds no other.
type Line struct {
	B []byte
	s *shard
	n int // lines in the block
}

type shard struct {
	mu    sync.Mutex
	line  Line
	start int // where the line being formatted begins
	_     [64]byte
}

type block struct {
	b     []byte
	lines int
}

// Sink takes lines. Its methods may be called from any goroutine.
type Sink struct {
	shards  []shard
	next    atomic.Uint32
	full    chan block
	free    chan []byte
	dropped atomic.Uint64
	lines   atomic.Uint64
	reopen  chan chan error
	flush   chan chan struct{}
	torn    bool // the file ends within a line; Run's
	failing bool // the last write did; Run's
	told    func(error)
}

// LineWriter is a writer that tells how many of the lines in p it has written, whichever
// those are.
type LineWriter interface {
	WriteLines(p []byte) (lines int, err error)
}

// Opener opens the file that lines go to. It is called at the start and at
// every Reopen.
type Opener func() (io.WriteCloser, error)

// NewSink returns a sink of so many shards, at least 1: as many as processors
// is right. Run must be running for lines to get anywhere.
func NewSink(shards int) *Sink {
	shards = max(1, shards)
	blocks := 4 * shards
	s := &Sink{
		shards: make([]shard, shards),
		full:   make(chan block, blocks+shards),
		free:   make(chan []byte, blocks+shards),
		reopen: make(chan chan error),
		flush:  make(chan chan struct{}),
	}
	for i := range s.shards {
		h := &s.shards[i]
		h.line = Line{B: make([]byte, 0, blockSize), s: h}
	}
	for range blocks {
		s.free <- make([]byte, 0, blockSize)
	}
	return s
}

// Tell has f called when lines begin to be lost for an error of writing, and with nil
// when they are written again. It is called before Run.
func (s *Sink) Tell(f func(error)) { s.told = f }

// Begin lends a line to append to. Commit must follow soon.
func (s *Sink) Begin() *Line {
	n := uint32(len(s.shards)) //nolint:gosec // a handful
	at := s.next.Add(1)
	for i := range n {
		if h := &s.shards[(at+i)%n]; h.mu.TryLock() {
			h.start = len(h.line.B)
			return &h.line
		}
	}
	h := &s.shards[at%n]
	h.mu.Lock()
	h.start = len(h.line.B)
	return &h.line
}

// Commit ends the line.
func (s *Sink) Commit(l *Line) {
	h := l.s
	switch {
	case len(l.B)-h.start > MaxLine || len(l.B) > blockSize:
		l.B = l.B[:h.start]
		s.dropped.Add(1)
	default:
		l.n++
	}
	if len(l.B) > blockSize-MaxLine {
		select {
		case fresh := <-s.free:
			s.full <- block{l.B, l.n} // has room for every block there is
			l.B, l.n = fresh, 0
		default: // the file does not keep up: the block is lost
			s.dropped.Add(uint64(l.n)) //nolint:gosec // never negative
			l.B, l.n = l.B[:0], 0
		}
	}
	h.mu.Unlock()
}

// Dropped counts the lines that were lost since the start, because the file was
// too slow or could not be written.
func (s *Sink) Dropped() uint64 { return s.dropped.Load() }

// Lines counts the lines written since the start.
func (s *Sink) Lines() uint64 { return s.lines.Load() }

// Reopen closes the file and opens it anew, for log rotation. When that fails
// the old file stays in use.
func (s *Sink) Reopen(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case s.reopen <- done:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Flush returns once all lines committed before it are written.
func (s *Sink) Flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case s.flush <- done:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run writes lines until ctx is done, and then what is left. The error is that
// of the first open.
func (s *Sink) Run(ctx context.Context, open Opener) error {
	w, err := open()
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case b := <-s.full:
			s.write(w, b)
		case <-tick.C:
			s.drain(w)
		case done := <-s.flush:
			s.drain(w)
			close(done)
		case done := <-s.reopen:
			s.drain(w)
			fresh, err := open()
			if err == nil {
				_ = w.Close()
				w, s.torn = fresh, false
			}
			done <- err
		case <-ctx.Done():
			s.drain(w)
			return nil
		}
	}
}

// drain writes everything that is there.
func (s *Sink) drain(w io.Writer) {
	for {
		select {
		case b := <-s.full:
			s.write(w, b)
			continue
		default:
		}
		break
	}
	for i := range s.shards {
		for !s.drainShard(w, &s.shards[i]) {
			s.write(w, <-s.full) // there is one, since none is free
		}
	}
}

// drainShard writes a shard's block. It reports false when there is no free one
// to take its place.
func (s *Sink) drainShard(w io.Writer, h *shard) bool {
	h.mu.Lock()
	b := block{h.line.B, h.line.n}
	if b.lines == 0 {
		h.mu.Unlock()
		return true
	}
	select {
	case fresh := <-s.free:
		h.line.B, h.line.n = fresh, 0
		h.mu.Unlock()
		s.write(w, b)
		return true
	default:
		h.mu.Unlock()
		return false
	}
}

// write counts the lines that got there, and tells when that changes.
func (s *Sink) write(w io.Writer, b block) {
	var written int
	var err error
	if l, ok := w.(LineWriter); ok {
		written, err = l.WriteLines(b.b)
	} else {
		written, err = s.append(w, b)
	}
	if failing := err != nil; failing != s.failing {
		s.failing = failing
		if s.told != nil {
			s.told(err)
		}
	}
	s.lines.Add(uint64(written))             //nolint:gosec // never negative
	s.dropped.Add(uint64(b.lines - written)) //nolint:gosec // never negative
	s.free <- b.b[:0]
}

// append writes to what keeps bytes, and returns how many lines are whole there. After
// one that is not, as when a disk is full, the next begins on a line of its own.
func (s *Sink) append(w io.Writer, b block) (written int, err error) {
	n := 0
	if s.torn {
		_, err = w.Write(newline)
	}
	if err == nil {
		s.torn = false
		n, err = w.Write(b.b)
	}
	if err != nil {
		s.torn = s.torn || n > 0 && b.b[n-1] != '\n'
		return bytes.Count(b.b[:n], newline), err
	}
	return b.lines, nil
}

var newline = []byte{'\n'}
