package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// load is what a load generator says.
type load struct {
	Requests int
	Errors   int // answers other than 200, and connections that broke or stalled
	P50, P99 time.Duration
	Slice99  time.Duration // the p99 of the slice of time in the middle; 0 if it was not taken
}

// fields are those of an ordinary browser.
var fields = []string{
	"Accept: application/json",
	"Accept-Language: en-GB,en;q=0.8",
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
	"Cookie: session=0123456789abcdef0123456789abcdef",
	"Cache-Control: no-cache",
}

var (
	requestsLine = regexp.MustCompile(`(\d+) requests in`)
	p50Line      = regexp.MustCompile(`(?m)^\s*50(?:\.000)?%\s+(\S+)`)
	p99Line      = regexp.MustCompile(`(?m)^\s*99(?:\.000)?%\s+(\S+)`)
	failedLine   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	socketLine   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// wrk sends as many requests as are answered; fresh is a connection for each.
func wrk(ctx context.Context, program, url string, connections int, fresh bool, duration time.Duration) (load, error) {
	args := []string{"-t1", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(int(duration.Seconds())) + "s", "--latency"}
	for _, field := range fields {
		args = append(args, "-H", field)
	}
	if fresh {
		args = append(args, "-H", "Connection: close")
	}
	path, args := pinned(loadCPU, program, append(args, url))
	output, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	text := string(output)
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w: %s", err, text)
	}
	var l load
	if l.Requests, err = strconv.Atoi(first(requestsLine, text)); err != nil || l.Requests == 0 {
		return load{}, fmt.Errorf("wrk counted no requests: %s", text)
	}
	if l.P50, err = time.ParseDuration(first(p50Line, text)); err != nil {
		return load{}, fmt.Errorf("reading wrk's p50: %w: %s", err, text)
	}
	if l.P99, err = time.ParseDuration(first(p99Line, text)); err != nil {
		return load{}, fmt.Errorf("reading wrk's p99: %w: %s", err, text)
	}
	for _, pattern := range []*regexp.Regexp{failedLine, socketLine} {
		if m := pattern.FindStringSubmatch(text); m != nil {
			for _, number := range m[1:] {
				n, err := strconv.Atoi(number)
				if err != nil {
					return load{}, fmt.Errorf("reading wrk's errors: %w: %s", err, text)
				}
				l.Errors += n
			}
		}
	}
	return l, nil
}

func first(pattern *regexp.Regexp, text string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// paced runs this program once more, on the load's CPU, to send at a rate.
func paced(ctx context.Context, address string, connections, rate int, duration time.Duration) (load, error) {
	return ownLoad(ctx, pacedCommand, address, strconv.Itoa(connections), strconv.Itoa(rate), duration.String())
}

// ownLoad runs this program once more, on the load's CPU, and returns what it says.
func ownLoad(ctx context.Context, command string, args ...string) (load, error) {
	self, err := os.Executable()
	if err != nil {
		return load{}, fmt.Errorf("looking for myself: %w", err)
	}
	path, args := pinned(loadCPU, self, append([]string{command}, args...))
	output, err := exec.CommandContext(ctx, path, args...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return load{}, fmt.Errorf("%s: %w: %s", command, err, exit.Stderr)
		}
		return load{}, fmt.Errorf("%s: %w", command, err)
	}
	var l load
	if err := json.Unmarshal(output, &l); err != nil {
		return load{}, fmt.Errorf("reading the %q of %s: %w", strings.TrimSpace(string(output)), command, err)
	}
	return l, nil
}
