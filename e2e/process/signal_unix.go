//go:build unix

package process

import "syscall"

func terminate(p *Process) error { return p.Signal(syscall.SIGTERM) }

// Pause stops the program where it stands (SIGSTOP): its sockets stay open and
// nobody answers.
func (p *Process) Pause() error { return p.Signal(syscall.SIGSTOP) }

// Resume lets a paused program go on (SIGCONT).
func (p *Process) Resume() error { return p.Signal(syscall.SIGCONT) }
