//go:build unix

package process

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// Attach returns a program that somebody else has started, by its process id. How
// it ends can't be known: its exit code is -1.
func Attach(name string, pid int) (*Process, error) {
	other, err := os.FindProcess(pid)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", name, err)
	}
	p := &Process{name: name, os: other, done: make(chan struct{}), code: -1}
	go func() {
		defer close(p.done)
		for other.Signal(syscall.Signal(0)) == nil {
			time.Sleep(20 * time.Millisecond) // nobody tells of the end of another's child
		}
	}()
	return p, nil
}
