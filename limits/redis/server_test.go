//go:build e2e

package redis

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lictor/lictor/limits"
)

// patience is how long a test waits for what has no promised time.
const patience = time.Minute

// server is a real Redis on a port of its own that ends with the test.
type server struct {
	t       testing.TB
	binary  string
	address string
	command *exec.Cmd
	ended   chan struct{}
	more    []string // arguments
	output  bytes.Buffer
}

// startServer runs the server that REDIS_BIN names. It keeps nothing on disk.
func startServer(t testing.TB, more ...string) *server {
	t.Helper()
	s := &server{t: t, binary: os.Getenv("REDIS_BIN"), more: more}
	if s.binary == "" {
		t.Fatal("REDIS_BIN names no redis-server: run `make e2e`, or export REDIS_BIN=$(e2e/redis/redis.sh)")
	}
	for range 5 {
		// Below the ports that the system chooses itself, lest a connection has it meanwhile,
		// and below those of the end-to-end tests, which may run at the same time, lest they
		// take it while the server is away.
		s.address = fmt.Sprintf("127.0.0.1:%d", 5000+rand.IntN(6000))
		if s.start() {
			t.Cleanup(s.kill)
			return s
		}
	}
	t.Fatalf("no free port; the server printed:\n%s", s.output.String())
	return nil
}

func (s *server) start() bool {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	args := []string{"--bind", "127.0.0.1", "--port", port, "--dir", s.t.TempDir()}
	if slices.Contains(s.more, "--sentinel") { // which knows of no such things, and wants its file first
		args = append(slices.Clone(s.more), args...)
	} else {
		args = append(append(args, "--save", "", "--appendonly", "no"), s.more...)
	}
	s.command = exec.Command(s.binary, args...)
	s.command.Stdout, s.command.Stderr = &s.output, &s.output
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func(c *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = c.Wait() // it is killed, or says why in its output
	}(s.command, s.ended)
	c := s.client()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-s.ended: // the port is somebody else's
			return false
		default:
		}
		if c.Ping(context.Background()).Err() == nil {
			id, err := c.Info(context.Background(), "server").Result()
			if err == nil && bytes.Contains([]byte(id), []byte("process_id:"+strconv.Itoa(s.command.Process.Pid)+"\r")) {
				return true
			}
			break // somebody else's
		}
	}
	s.kill()
	return false
}

// client speaks to the server beside the store.
func (s *server) client() *redis.Client {
	password := ""
	if len(s.more) == 2 && s.more[0] == "--requirepass" {
		password = s.more[1]
	}
	c := redis.NewClient(&redis.Options{Addr: s.address, MaxRetries: -1, Password: password})
	s.t.Cleanup(func() { c.Close() })
	return c
}

func (s *server) kill() {
	_ = s.command.Process.Kill() // it may have ended
	<-s.ended
}

// newStore returns a store on the server.
func newStore(t testing.TB, s *server, change func(*Options)) *Store {
	t.Helper()
	o := Options{Addresses: []string{s.address}, Timeout: 5 * time.Second, Clock: limits.NewClock()}
	if change != nil {
		change(&o)
	}
	st, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// newLimiter returns a limiter for a Spec, by the store's clock.
func newLimiter(t testing.TB, st *Store, spec Spec) *Limiter {
	t.Helper()
	l, adoption, err := st.Limiter(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	adoption.Commit(st.options.Clock.Now())
	return l
}

var names int

// newScripted returns a limiter that believes the moments it is told, asks the
// store about everything, and whose states outlive the test.
func newScripted(t testing.TB, st *Store, spec limits.Spec) *Limiter {
	t.Helper()
	names++
	l := newLimiter(t, st, Spec{Name: fmt.Sprintf("limit%d", names), Limit: spec})
	l.scripted()
	return l
}

func (l *Limiter) scripted() {
	l.grace = time.Hour.Milliseconds()
	l.moment = func(now limits.Time) int64 { return int64(now.Mono) }
}

// at is a moment at which both clocks read the same.
func at(t int64) limits.Time { return limits.Time{Mono: time.Duration(t), Wall: time.Duration(t)} }
