package proxy

import (
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// halfIdle bounds the silence of a tunnel that only goes one way any more, on a
// route without an idle timeout. Who has closed everything looks just like who
// has merely nothing to add, and to one that is gone nobody need ever write.
const halfIdle = time.Minute

// joint is two streams of which each carries on what comes from the other.
type joint struct {
	down, up io.ReadWriteCloser
	idle     time.Duration
	moved    atomic.Int64 // bytes both ways: progress
	once     sync.Once

	mu     sync.Mutex
	unwait func() // ends the watch over idleness; nil while there is none
	over   bool
}

// join copies both ways. When one way ends, its end is passed on, and the other
// way goes on until it ends, too: but a failure, a stream that has only one end,
// and silence for the idle time on both ways together end both. Both streams are
// closed when it returns.
func join(down, up io.ReadWriteCloser, idle time.Duration) (in, out int64) {
	j := &joint{down: down, up: up, idle: idle}
	defer j.end()
	if idle > 0 {
		j.watch(idle)
	}
	back := make(chan int64, 1)
	go func() { back <- j.carry(down, up) }()
	in = j.carry(up, down)
	return in, <-back
}

// carry copies one way, and passes its end on.
func (j *joint) carry(dst, src io.ReadWriteCloser) int64 {
	n, err := io.CopyBuffer(writerOnly{dst}, readCounter{src, &j.moved}, make([]byte, 16<<10))
	half, ok := dst.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		j.close()
	} else if j.idle <= 0 {
		j.watch(halfIdle)
	}
	return n
}

func (j *joint) close() {
	j.once.Do(func() {
		j.down.Close()
		j.up.Close()
	})
}

// watch closes both streams after silence. Once end was called it does nothing.
func (j *joint) watch(idle time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unwait == nil && !j.over {
		j.unwait = WatchIdle(&j.moved, idle, j.close)
	}
}

func (j *joint) end() {
	j.close()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.over = true
	if j.unwait != nil {
		j.unwait()
	}
}

type writerOnly struct{ io.Writer }

// readCounter tells the idle watch of progress.
type readCounter struct {
	io.Reader
	moved *atomic.Int64
}

func (r readCounter) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.moved.Add(int64(n))
	return n, err
}

// WatchIdle calls end once nothing has moved for between one and two idle
// periods, from a goroutine of its own. After stop it does not.
func WatchIdle(moved *atomic.Int64, idle time.Duration, end func()) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	last, done := moved.Load(), false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(idle, func() {
		mu.Lock()
		defer mu.Unlock()
		if done {
			return
		}
		if now := moved.Load(); now != last {
			last = now
			timer.Reset(idle)
			return
		}
		end()
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done = true
		timer.Stop()
	}
}
