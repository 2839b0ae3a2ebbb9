//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/harness"
)

// speaker is an instance that speaks first and then sends back what it gets: a
// protocol that is none of HTTP's.
type speaker struct {
	*harness.Instance
	heard atomic.Int64 // bytes
}

// ready is what it says first.
const ready = "220 ready\r\n"

func startSpeaker(t *testing.T, service string) *speaker {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	at := ln.Addr().(*net.TCPAddr)
	s := &speaker{Instance: &harness.Instance{Service: service, ID: service + "-1", Host: at.IP.String(), Port: at.Port}}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := io.WriteString(c, ready); err == nil {
					_, _ = io.Copy(c, io.TeeReader(c, s)) // ends when either side has
				}
			}()
		}
	}()
	return s
}

// Write counts.
func (s *speaker) Write(p []byte) (int, error) {
	s.heard.Add(int64(len(p)))
	return len(p), nil
}

// hear waits for what an instance says.
func hear(c net.Conn, want string) error {
	got := make([]byte, len(want))
	n, err := io.ReadFull(c, got)
	if err == nil && string(got) != want {
		err = errors.New("something else was said")
	}
	if err != nil {
		return fmt.Errorf("heard %d of %d bytes, %.40q: %w", n, len(want), got[:n], err)
	}
	return nil
}

// meshedConnections starts a gateway whose public listener carries connections to a
// service in the mesh.
func meshedConnections(t *testing.T, consul *harness.Consul, service string) *harness.Gateway {
	t.Helper()
	return harness.StartGateway(t, harness.Options{
		Consul: consul.Address(), ConsulBlock: meshed, Listener: `protocol = "tcp"`,
		Policies: fmt.Sprintf("tcp_route %q {\n  listener = \"public\"\n  service = %q\n  mesh = \"true\"\n}\n", service, service),
	})
}

// greeting makes a connection on which both sides have spoken. It fails when that is
// closed before.
func greeting(t *testing.T, g *harness.Gateway) (net.Conn, error) {
	t.Helper()
	c := g.Dial()
	_, _ = io.WriteString(c, "HELO\r\n") // it may be closed already
	err := errors.Join(hear(c, ready), hear(c, "HELO\r\n"))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if err != nil {
		c.Close() // it may be closed on the other side only
	}
	return c, err
}

// TestMeshConnections: a tcp_route reaches a service that can only be reached through
// its sidecar, with much both ways, by either side's first word. One that an intention
// denies is closed before a byte has passed, and its instance is not blamed.
//
// Intentions are there from the start: an agent may give sidecars its word from before
// for long after one has changed.
func TestMeshConnections(t *testing.T) {
	t.Parallel()
	consul := harness.StartConsulWith(t, datacenter.Options{Config: map[string]any{"default_intention_policy": "deny"}})
	consul.Intend("mail", map[string]string{"edge": "allow"})
	consul.Intend("vault", map[string]string{"edge": "deny", "*": "allow"})
	mail, vault := startSpeaker(t, "mail"), startSpeaker(t, "vault")
	consul.RegisterMeshed(mail.Instance)
	consul.RegisterMeshed(vault.Instance)

	g := meshedConnections(t, consul, "mail")
	var c net.Conn
	harness.Within(t, harness.Patience, "the instance speaks", func() (err error) {
		c, err = greeting(t, g)
		return err
	})
	text, sent := strings.Repeat("a line of a letter\r\n", 100_000), make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, text)
		sent <- err
	}()
	if err := errors.Join(hear(c, text), <-sent); err != nil {
		t.Error(err)
	}

	g = meshedConnections(t, consul, "vault")
	harness.Within(t, harness.Patience, "a denial is logged", func() error {
		if _, err := greeting(t, g); err == nil {
			t.Fatal("the instance speaks")
		}
		lines, err := g.AccessLog()
		if err != nil {
			return err
		}
		for _, l := range lines {
			if strings.HasPrefix(fmt.Sprint(l["error"]), "intention-denied: ") {
				return nil
			}
		}
		return fmt.Errorf("no line tells of it: %v", lines)
	})
	for range 10 { // far more than bench an instance that fails
		if _, err := greeting(t, g); err == nil {
			t.Error("the instance speaks")
		}
	}
	if n := vault.heard.Load(); n != 0 {
		t.Errorf("the instance got %d bytes of connections that an intention denies", n)
	}
	if n := g.Metric(t, "lictor_endpoints", "service=vault@mesh", "state=benched"); n != 0 {
		t.Errorf("%v instances are benched for what an intention denied", n)
	}
	counted, failed := g.Metric(t, "lictor_mesh_denied_total", "direction=out"), g.Metric(t, "lictor_tcp_connections_total", "route=vault", "result=failed")
	if counted < 1 || failed < 1 {
		t.Errorf("%v denials were counted, %v connections failed", counted, failed)
	}
}
