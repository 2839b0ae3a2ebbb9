//go:build unix

package main

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// resizing tells that the terminal has another size.
var resizing = []os.Signal{syscall.SIGWINCH}

// screenOf returns the terminal that a writer is, nil when it is none.
func screenOf(w io.Writer) screen {
	if s, ok := w.(screen); ok {
		return s
	}
	if f, ok := w.(*os.File); ok && terminal(f) {
		return tty{f}
	}
	return nil
}

// tty is a terminal of the system's.
type tty struct{ *os.File }

// Size implements screen.
func (t tty) Size() (width, height int) {
	conn, err := t.SyscallConn()
	if err != nil {
		return 0, 0
	}
	_ = conn.Control(func(fd uintptr) { // 0 is for not knowing
		if size, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
			width, height = int(size.Col), int(size.Row)
		}
	})
	return width, height
}
