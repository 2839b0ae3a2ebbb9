//go:build e2e && unix

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// parrot says its name, a byte, and sends back what it gets, until its client has no
// more to say.
func parrot(t *testing.T, name byte) *net.TCPAddr {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := c.Write([]byte{name}); err == nil {
					_, _ = io.Copy(c, c) // ends when either side has
				}
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr)
}

// generations is a gateway each process of which has a parrot of its own behind its
// public listener, so that a connection tells which process carries it.
type generations struct {
	*harness.Gateway
	now byte // the name of the parrot behind the process that serves
}

func newGenerations(t *testing.T, upgrades int, config string) *generations {
	t.Helper()
	for n := range upgrades + 1 {
		name := 'a' + byte(n)
		at := parrot(t, name)
		config += staticService("parrot-"+string(name), at.IP.String(), at.Port)
	}
	return &generations{now: 'a', Gateway: harness.StartGateway(t, harness.Options{
		Listener: `protocol = "tcp"`, Upgradable: true, Config: config, Policies: parrotRoute('a'),
	})}
}

func parrotRoute(name byte) string {
	return fmt.Sprintf("tcp_route \"parrot\" {\n  listener = \"public\"\n  service = \"parrot-%c\"\n}\n", name)
}

// next has the next process prepared; the one that serves does not hear of it.
func (g *generations) next() {
	g.now++
	g.WritePolicies(parrotRoute(g.now))
}

// dial returns a connection and the name of its parrot.
func (g *generations) dial() (*net.TCPConn, byte, error) {
	c, err := net.DialTimeout("tcp", g.Public, harness.Patience)
	if err != nil {
		return nil, 0, fmt.Errorf("connecting: %w", err)
	}
	var name [1]byte
	err = c.SetDeadline(time.Now().Add(harness.Patience))
	if err == nil {
		_, err = io.ReadFull(c, name[:])
	}
	if err != nil {
		c.Close()
		return nil, 0, fmt.Errorf("a connection that was taken: %w", err)
	}
	return c.(*net.TCPConn), name[0], nil
}

// open returns a connection that stays until the test ends, and the name of its
// parrot.
func (g *generations) open(t *testing.T) (net.Conn, byte) {
	t.Helper()
	c, name, err := g.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, name
}

// settled waits until new connections go to the process that has taken over: until
// the one before has closed its listener they may go to either.
func (g *generations) settled(t *testing.T) {
	t.Helper()
	harness.Within(t, harness.Patience, "connections go to the new process", func() error {
		for range 20 {
			c, name, err := g.dial()
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			if name != g.now {
				return fmt.Errorf("one went to %c, not %c", name, g.now)
			}
		}
		return nil
	})
}

// once makes a connection, says something and hears it back, to the end of both
// directions.
func (g *generations) once(n int) error {
	c, _, err := g.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	text := strings.Repeat(fmt.Sprintf("%d ", n), 1000)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, text)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if err = errors.Join(err, <-sent); err != nil {
		return err
	}
	if string(got) != text {
		return fmt.Errorf("sent %d bytes, got %d", len(text), len(got))
	}
	return nil
}

// speak hears back over a connection that may have waited for a while.
func speak(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("said %q, heard %q: %v", text, got, err)
	}
}

// TestConnectionsOverUpgrades has one process after the other take over a listener for
// connections under load: none is refused or broken off, the open one stays with its
// process, and new ones go to the new one.
func TestConnectionsOverUpgrades(t *testing.T) {
	t.Parallel()
	const upgrades = 3
	g := newGenerations(t, upgrades, "")
	load := newPressure(t)
	for i := range 6 {
		load.run(fmt.Sprintf("client %d", i), g.once)
	}
	for n := range upgrades {
		load.more(t, 200)
		old, name := g.open(t)
		if name != g.now {
			t.Fatalf("%c answers instead of %c", name, g.now)
		}
		speak(t, old, "before")
		g.next()
		before := g.Upgrade()
		g.settled(t)
		load.more(t, 200)
		speak(t, old, "after")
		select {
		case <-before.Done():
			t.Fatalf("upgrade %d: the process that has the connection is gone", n)
		default:
		}
		if err := old.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(old); err != nil || len(rest) > 0 {
			t.Errorf("upgrade %d, after the end: %q, %v", n, rest, err)
		}
		gone(t, before)
	}
	failures, sent := load.finish()
	if len(failures) > 0 {
		t.Errorf("%d of %d connections failed:\n%s", len(failures), sent, strings.Join(failures, "\n"))
	}
	t.Logf("%d connections over %d upgrades, %d failed", sent, upgrades, len(failures))
}

// TestConnectionsEndAfterUpgrade: a connection that goes on for longer than
// drain.upgrade_timeout is ended, and the old process with it; those of the new one
// are not.
func TestConnectionsEndAfterUpgrade(t *testing.T) {
	t.Parallel()
	g := newGenerations(t, 1, "drain {\n  upgrade_timeout = \"1s\"\n}\n")
	old, _ := g.open(t)
	g.next()
	before := g.Upgrade()
	g.settled(t)
	fresh, name := g.open(t)
	if name != g.now {
		t.Fatalf("%c answers instead of %c", name, g.now)
	}
	speak(t, fresh, "hello")
	if err := old.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(old); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection to the old process: %q, %v", rest, err)
	}
	gone(t, before)
	speak(t, fresh, "still here")
}
