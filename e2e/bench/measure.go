package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// The proxy has one CPU for itself; everything else shares the other.
const (
	proxyCPU = "0"
	loadCPU  = "1"
	warmUp   = time.Second
)

// clockTick is the unit of /proc/PID/stat on every Linux that people run.
const clockTick = 10 * time.Millisecond

// install installs Debian packages that carry the programs' names, if missing.
func install(ctx context.Context, programs ...string) error {
	var missing []string
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	fmt.Printf("installing %s by apt-get\n", strings.Join(missing, " and "))
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...),
	} {
		command := exec.CommandContext(ctx, "apt-get", args...)
		// Without a run level no package starts its service.
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w (it needs root): %s", strings.Join(args, " "), err, output)
		}
	}
	return nil
}

// pinned returns the command that runs a program on one CPU, where there are two.
func pinned(cpu, program string, args []string) (string, []string) {
	if runtime.NumCPU() < 2 {
		return program, args
	}
	return "taskset", append([]string{"-c", cpu, program}, args...)
}

// answers waits until the address answers with the instances' reply.
func answers(ctx context.Context, p *process.Process, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return process.Until(ctx, p, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return fmt.Errorf("asking %s: %w", url, err)
		}
		if response.StatusCode != http.StatusOK || len(body) != 1024 {
			return fmt.Errorf("%s answered %s with %d bytes", url, response.Status, len(body))
		}
		return nil
	})
}

// measure warms the proxy up, puts load on it and returns what that cost it.
func measure(ctx context.Context, p *proxy, o options) (result, error) {
	if _, err := wrk(ctx, p.url, warmUp, o.connections); err != nil {
		return result{}, err
	}
	before, err := cpuTime(p.process.PID())
	if err != nil {
		return result{}, err
	}
	r, err := wrk(ctx, p.url, o.duration, o.connections)
	if err != nil {
		return result{}, err
	}
	after, err := cpuTime(p.process.PID())
	if err != nil {
		return result{}, err
	}
	r.cpu = after - before
	return r, nil
}

var (
	requestsLine = regexp.MustCompile(`(\d+) requests in`)
	p50Line      = regexp.MustCompile(`(?m)^\s*50(?:\.000)?%\s+(\S+)`)
	p99Line      = regexp.MustCompile(`(?m)^\s*99(?:\.000)?%\s+(\S+)`)
)

// wrk runs the load generator with the fields of an ordinary browser.
func wrk(ctx context.Context, url string, duration time.Duration, connections int) (result, error) {
	path, args := pinned(loadCPU, "wrk", []string{
		"-t1", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(int(duration.Seconds())) + "s", "--latency",
		"-H", "Accept: application/json",
		"-H", "Accept-Language: en-GB,en;q=0.8",
		"-H", "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"-H", "Cookie: session=0123456789abcdef0123456789abcdef",
		"-H", "Cache-Control: no-cache",
		url,
	})
	output, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	text := string(output)
	if err != nil {
		return result{}, fmt.Errorf("wrk: %w: %s", err, text)
	}
	if strings.Contains(text, "Non-2xx") || strings.Contains(text, "Socket errors") {
		return result{}, fmt.Errorf("wrk saw failures: %s", text)
	}
	var r result
	if r.requests, err = strconv.Atoi(first(requestsLine, text)); err != nil || r.requests == 0 {
		return result{}, fmt.Errorf("wrk counted no requests: %s", text)
	}
	if r.p50, err = time.ParseDuration(first(p50Line, text)); err != nil {
		return result{}, fmt.Errorf("reading wrk's p50: %w: %s", err, text)
	}
	if r.p99, err = time.ParseDuration(first(p99Line, text)); err != nil {
		return result{}, fmt.Errorf("reading wrk's p99: %w: %s", err, text)
	}
	return r, nil
}

func first(pattern *regexp.Regexp, text string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// cpuTime returns the CPU time of a process in user and system mode, all threads
// together; see proc(5).
func cpuTime(pid int) (time.Duration, error) {
	file := fmt.Sprintf("/proc/%d/stat", pid)
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time: %w", err)
	}
	// The name, in brackets, may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading the CPU time: %s is too short: %q", file, text)
	}
	user, userErr := strconv.ParseInt(fields[11], 10, 64)
	system, systemErr := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(userErr, systemErr); err != nil {
		return 0, fmt.Errorf("reading the CPU time: %w", err)
	}
	return time.Duration(user+system) * clockTick, nil
}
