package accesslog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var entryForm = regexp.MustCompile(`^<134>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z edge-1 lictor 42 access - (.*)$`)

func server(network, address string) Syslog {
	return Syslog{Network: network, Address: address, Facility: 16, Host: "edge-1", App: "lictor", Process: "42"}
}

// message takes an entry apart.
func message(t *testing.T, entry string) string {
	t.Helper()
	m := entryForm.FindStringSubmatch(entry)
	if m == nil {
		t.Errorf("%q is no entry", entry)
		return ""
	}
	return m[1]
}

// commit hands lines to a sink that runs, and waits until they are dealt with.
func commit(t *testing.T, s *Sink, lines ...string) {
	t.Helper()
	for _, text := range lines {
		l := s.Begin()
		l.B = append(append(l.B, text...), '\n')
		s.Commit(l)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSyslogDatagrams(t *testing.T) {
	for network, address := range map[string]string{"udp": "127.0.0.1:0", "unixgram": filepath.Join(shortDir(t), "s")} {
		t.Run(network, func(t *testing.T) {
			c, err := new(net.ListenConfig).ListenPacket(t.Context(), network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			s := NewSink(1)
			stop := run(t, s, server(network, c.LocalAddr().String()).Open)
			commit(t, s, `{"a":1}`, `{"a":"ü"}`)
			for _, want := range []string{`{"a":1}`, `{"a":"ü"}`} {
				b := make([]byte, 1<<10)
				n, _, err := c.ReadFrom(b)
				if err != nil || message(t, string(b[:n])) != want {
					t.Errorf("got %q, %v, want %q", b[:n], err, want)
				}
			}
			stop()
			if s.Lines() != 2 || s.Dropped() != 0 {
				t.Errorf("%d lines, %d dropped", s.Lines(), s.Dropped())
			}
		})
	}
}

// shortDir is a folder whose name is short enough for a socket's, as a test's own may not be.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lictor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// TestLongDatagrams: one that the network does not take is lost alone.
func TestLongDatagrams(t *testing.T) {
	c, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := server("udp", c.LocalAddr().String()).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	n, err := w.(LineWriter).WriteLines([]byte("one\n" + strings.Repeat("x", 70_000) + "\ntwo\n"))
	if n != 2 || err != nil {
		t.Errorf("%d lines were sent, %v", n, err)
	}
}

// frames reads entries that are counted in octets.
func frames(r *bufio.Reader) (entry string, err error) {
	count, err := r.ReadString(' ')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(count, " "))
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}

// TestSyslogStream loses its connection and gets another.
func TestSyslogStream(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open, err := server("tcp", l.Addr().String()).Open()
	if err != nil {
		t.Fatal(err)
	}
	w := open.(*syslogWriter)
	defer w.Close()
	for round := range 2 {
		lines := fmt.Sprintf("one %d\ntwo\n", round)
		if n, err := w.WriteLines([]byte(lines)); n != 2 || err != nil {
			t.Fatalf("%d lines were sent, %v", n, err)
		}
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		for want := range strings.Lines(lines) {
			if got, err := frames(r); err != nil || message(t, got)+"\n" != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		c.Close()
		for err == nil { // it takes a write or two until that is noticed
			_, err = w.WriteLines([]byte("lost\n"))
		}
		if w.conn != nil || !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("the connection is %v, the error %v", w.conn, err)
		}
		w.again = time.Time{} // later
	}
}

// TestSyslogAway: while nobody is there lines are lost, counted and told of once, and
// nobody waits for a connection at every block.
func TestSyslogAway(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	address := c.LocalAddr().String() // taken, so that nobody else can listen there
	s := NewSink(1)
	var told []error
	s.Tell(func(err error) { told = append(told, err) })
	stop := run(t, s, server("tcp", address).Open)
	commit(t, s, "one", "two")
	commit(t, s, "three")
	stop()
	if s.Dropped() != 3 || s.Lines() != 0 || len(told) != 1 || told[0] == nil {
		t.Errorf("%d dropped, %d written, told %v", s.Dropped(), s.Lines(), told)
	}
}

func TestEntryHeads(t *testing.T) {
	for given, want := range map[Syslog]string{
		{}: "<6>1 1970-01-01T00:00:00.000Z - - - access - x",
		{Facility: 23, Host: "a b\x01ü", App: strings.Repeat("y", 60), Process: "1"}: "<190>1 1970-01-01T00:00:00.000Z a_b__ " + strings.Repeat("y", 48) + " 1 access - x",
	} {
		w, err := given.Open()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(w.(*syslogWriter).entry(nil, []byte("x"), time.Unix(0, 0))); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSinkTells of trouble when it begins and when it ends.
func TestSinkTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("full")
		fault := broken
		f := &file{fault: func(p []byte) (int, error) {
			if fault != nil {
				return 0, fault
			}
			return len(p), nil
		}}
		s := NewSink(1)
		var told []error
		s.Tell(func(err error) { told = append(told, err) })
		stop := run(t, s, func() (io.WriteCloser, error) { return f, nil })
		commit(t, s, "one")
		commit(t, s, "two")
		f.mu.Lock()
		fault = nil
		f.mu.Unlock()
		commit(t, s, "three")
		commit(t, s, "four")
		stop()
		if len(told) != 2 || !errors.Is(told[0], broken) || told[1] != nil {
			t.Errorf("told %v", told)
		}
	})
}
