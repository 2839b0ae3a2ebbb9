//go:build e2e && linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lictor/lictor/e2e/harness"
)

// pseudo is a terminal whose other end the test holds.
type pseudo struct {
	*os.File
	mu   sync.Mutex
	seen bytes.Buffer
	done chan struct{}
}

// openPseudo returns both ends of a terminal of that size.
func openPseudo(t *testing.T, columns, lines uint16) (*pseudo, *os.File) {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pseudo{File: near, done: make(chan struct{})}
	t.Cleanup(func() { near.Close() })
	fd := int(near.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	far, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.resize(t, columns, lines)
	go func() {
		defer close(p.done)
		b := make([]byte, 4096)
		for {
			n, err := near.Read(b)
			p.mu.Lock()
			p.seen.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return // nobody holds the other end any more
			}
		}
	}()
	return p, far
}

func (p *pseudo) resize(t *testing.T, columns, lines uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(p.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: lines}); err != nil {
		t.Fatal(err)
	}
}

func (p *pseudo) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// frames are those that have been drawn whole, the newest last.
func (p *pseudo) frames() []string {
	const begins, ends = "\x1b[H", "\x1b[J"
	all := strings.Split(p.text(), begins)[1:]
	if n := len(all); n > 0 && !strings.Contains(all[n-1], ends) {
		all = all[:n-1]
	}
	return all
}

// A terminal shows what changes in place, follows its size, and is as before after
// Ctrl-C.
func TestWatchInATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, ordersRoute)
	near, far := openPseudo(t, 100, 20)
	command := exec.Command(harness.Lictor(t), "services", "-watch", "-interval", "100ms")
	command.Env = append(os.Environ(), "LICTOR_ADDR=http://"+w.gateway.Admin, "TERM=xterm")
	command.Stdin, command.Stdout, command.Stderr = far, far, far
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	far.Close()
	// frame waits for one that is like that, of those that have been drawn since the one
	// before it: each stands for no longer than the interval.
	seen := 0
	frame := func(what string, ok func(string) bool) {
		t.Helper()
		harness.Within(t, harness.Patience, what, func() error {
			all := near.frames()
			n := slices.IndexFunc(all[seen:], ok)
			if n < 0 {
				return fmt.Errorf("%q", all[seen:])
			}
			if seen += n + 1; strings.Count(all[seen-1], "\x1b[J") != 1 {
				t.Errorf("a frame that is cleared more than once: %q", all[seen-1])
			}
			return nil
		})
	}
	frame("both instances", func(f string) bool { return strings.Contains(f, "orders-1") && strings.Contains(f, "orders-2") })
	if !strings.HasPrefix(near.text(), "\x1b[?1049h\x1b[?25l\x1b[H") {
		t.Errorf("it begins with %.40q", near.text())
	}
	if a := w.gateway.Get("/orders"); a.Status != http.StatusOK {
		t.Fatal(a.Status)
	}
	frame("a request is marked", func(f string) bool { return strings.Contains(f, "\x1b[7m1\x1b[0m") })
	near.resize(t, 30, 3)
	frame("a small window", func(f string) bool {
		return strings.Count(f, "\r\n") == 2 && strings.Contains(f, "… and 2 more rows")
	})
	if _, err := near.Write([]byte{3}); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		var exit *exec.ExitError
		t.Errorf("it ended with %v (%t)", err, errors.As(err, &exit))
	}
	<-near.done
	if !strings.HasSuffix(near.text(), "\x1b[?25h\x1b[?1049l") {
		t.Errorf("it ends with %q", near.text())
	}
}
