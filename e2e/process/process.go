package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A Command says what to run.
type Command struct {
	// Path is the program; Args are its arguments, without its name.
	Path string
	Args []string
	// Env is added to this process's environment.
	Env []string
	// Dir is the working directory; empty means this process's.
	Dir string
	// Output receives standard output and standard error; nil drops them.
	Output io.Writer
}

// A Process is a program that was started. Its methods may be called from any
// goroutine.
type Process struct {
	name string
	os   *os.Process
	done chan struct{}
	err  error // set before done is closed
	code int   // likewise
}

// Start runs the command. The caller ends it with Stop or Kill.
func Start(c Command) (*Process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = c.Output, c.Output
	cmd.SysProcAttr = attributes()
	// A grandchild that kept the output open must not hold Wait for ever.
	cmd.WaitDelay = 5 * time.Second

	p := &Process{name: filepath.Base(c.Path), done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.os = cmd.Process
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
		p.code = cmd.ProcessState.ExitCode()
	}()
	return p, nil
}

// PID returns the process id.
func (p *Process) PID() int { return p.os.Pid }

// Done returns a channel that is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the program ended: nil for exit code 0, and nil while it runs.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// ExitCode returns the exit code of a program that has ended, or -1 while it
// runs and when a signal ended it.
func (p *Process) ExitCode() int {
	select {
	case <-p.done:
		return p.code
	default:
		return -1
	}
}

// Signal sends a signal. A program that has ended already is no error.
func (p *Process) Signal(s os.Signal) error {
	if err := p.os.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to %s: %w", s, p.name, err)
	}
	return nil
}

// Kill ends the program at once and waits until it is gone.
func (p *Process) Kill() {
	_ = p.os.Kill() // an error means that it has ended already
	<-p.done
}

// Stop asks the program to end, waits for it, and kills it once grace is over.
// It returns an error when it had to be killed.
func (p *Process) Stop(grace time.Duration) error {
	if err := terminate(p); err != nil {
		p.Kill()
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %v and was killed", p.name, grace)
	}
}
