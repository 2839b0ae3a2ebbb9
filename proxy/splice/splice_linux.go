//go:build !386 && !s390x

package splice

import (
	"sync"
	"syscall"
)

const (
	// Size is what a pipe is asked to hold, in bytes. What the kernel then
	// holds for somebody who does not take it is no less.
	Size = 256 << 10
	// maxPipes bounds the pipes in use, since anybody can be slow. Who
	// finds none left copies.
	maxPipes = 64
	// maxIdlePipes bounds those that are kept.
	maxIdlePipes = 16
)

const (
	spliceMove     = 1    // of fcntl.h, as the next two
	spliceNonblock = 2    // for the pipe; sockets have it of their own
	setPipeSize    = 1031 // F_SETPIPE_SZ
)

// Pipe is where bytes are between two sockets: R and W are the descriptors of its
// ends.
type Pipe struct{ R, W int }

func newPipe() *Pipe {
	var ends [2]int
	if syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK) != nil {
		return nil
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(ends[1]), setPipeSize, Size) // without leave it stays smaller
	return &Pipe{ends[0], ends[1]}
}

func (p *Pipe) close() {
	_ = syscall.Close(p.R) // there is nothing to lose
	_ = syscall.Close(p.W)
}

// Pipes lends empty pipes, within a bound. The zero value is ready to use.
type Pipes struct {
	mu    sync.Mutex
	idle  []*Pipe
	open  int
	never bool // this system does not move bytes between sockets
	over  bool
}

// Get returns nil when there is none to be had.
func (s *Pipes) Get() *Pipe {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.idle) - 1; last >= 0 {
		p := s.idle[last]
		s.idle = s.idle[:last]
		return p
	}
	if s.never || s.over || s.open == maxPipes {
		return nil
	}
	p := newPipe()
	if p != nil {
		s.open++
	}
	return p
}

// Put takes a pipe back. One that is not empty is of no use any more.
func (s *Pipes) Put(p *Pipe, empty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if empty && !s.over && len(s.idle) < maxIdlePipes {
		s.idle = append(s.idle, p)
		return
	}
	s.open--
	p.close()
}

// Disable is for a system that does not move bytes between sockets: there is no
// further pipe to be had.
func (s *Pipes) Disable() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.never = true
}

// Close closes the idle pipes. One that is put back later is closed by then.
func (s *Pipes) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, p := range s.idle {
		p.close()
	}
	s.open -= len(s.idle)
	s.idle = nil
}

// Move moves up to n bytes from one to the other, of which one is a pipe.
func Move(from, to int, n int64) (int64, syscall.Errno) {
	for {
		moved, _, e := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), spliceMove|spliceNonblock) //nolint:gosec // descriptors, and a size
		if e != syscall.EINTR {
			return int64(moved), e //nolint:gosec // at most n when there is no error
		}
	}
}
