package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// Redis is a real server that keeps nothing on disk and ends with the test.
type Redis struct {
	// Address is host:port; it stays the same over a restart.
	Address string

	t       testing.TB
	binary  string
	log     Log
	process *process.Process
}

// redisBinary is found once for all tests of a run.
var redisBinary = sync.OnceValues(func() (string, error) {
	source, err := root()
	if err != nil {
		return "", err
	}
	return output(filepath.Join(source, "e2e", "redis", "redis.sh"))
})

// RedisBinary is the path of a Redis: REDIS_BIN, or one that is found or installed.
func RedisBinary(t testing.TB) string {
	t.Helper()
	binary, err := redisBinary()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// StartRedis runs a Redis.
func StartRedis(t testing.TB) *Redis {
	t.Helper()
	r := &Redis{t: t, binary: RedisBinary(t)}
	r.log.showOnFailure(t, "Redis")
	for range 5 {
		ports, err := process.FreePorts(1)
		if err != nil {
			t.Fatal(err)
		}
		r.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
		if err = r.start(); err == nil {
			t.Cleanup(func() { r.process.Kill() })
			return r
		}
	}
	t.Fatalf("Redis did not start; it printed:\n%s", &r.log)
	return nil
}

func (r *Redis) start() error {
	_, port, err := net.SplitHostPort(r.Address)
	if err != nil {
		return err
	}
	r.process, err = process.Start(process.Command{
		Path:   r.binary,
		Args:   []string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", r.t.TempDir()},
		Output: &r.log,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), Patience)
	defer cancel()
	err = process.Until(ctx, r.process, func(context.Context) error {
		answer, err := r.ask("INFO server")
		if err == nil && !strings.Contains(answer, fmt.Sprintf("process_id:%d\r\n", r.process.PID())) {
			err = errors.New("somebody else answers")
		}
		return err
	})
	if err != nil {
		r.process.Kill()
	}
	return err
}

// ask sends one command without arguments that need quoting, and returns the
// string that is the answer.
func (r *Redis) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", r.Address, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	head, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	head = strings.TrimSpace(head)
	if !strings.HasPrefix(head, "$") {
		return head, nil
	}
	n, err := strconv.Atoi(head[1:])
	if err != nil || n < 0 {
		return "", fmt.Errorf("answer %q", head)
	}
	text := make([]byte, n)
	_, err = io.ReadFull(in, text)
	return string(text), err
}

// Kill ends the server at once; what it held is lost.
func (r *Redis) Kill() { r.process.Kill() }

// Restart starts it again, empty, after Kill.
func (r *Redis) Restart() {
	r.t.Helper()
	Within(r.t, Patience, "Redis starts again", r.start)
}

// Process returns the running server, for signals.
func (r *Redis) Process() *process.Process { return r.process }
