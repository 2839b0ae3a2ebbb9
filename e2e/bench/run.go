package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// proxy is one of the two that are compared.
type proxy struct {
	name    string
	url     string
	process *process.Process
	results []result
}

// result is what one measurement says.
type result struct {
	requests int
	cpu      time.Duration // of the proxy
	p50, p99 time.Duration
}

func (r result) perRequest() time.Duration { return r.cpu / time.Duration(r.requests) }

// run starts the instances and both proxies, lets them take turns and prints what
// came of it.
func run(ctx context.Context, o options) (err error) {
	if err := install(ctx, "nginx", "wrk"); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lictor-bench-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	ports, err := process.FreePorts(5)
	if err != nil {
		return err
	}
	var started []*process.Process
	defer func() {
		for _, p := range slices.Backward(started) {
			p.Kill()
		}
	}()
	start := func(cpu, name string, program string, args ...string) (*process.Process, error) {
		log, err := os.Create(filepath.Join(dir, name+".out"))
		if err != nil {
			return nil, fmt.Errorf("opening a log: %w", err)
		}
		defer log.Close() // the child has its own
		path, args := pinned(cpu, program, args)
		p, err := process.Start(process.Command{Path: path, Args: args, Output: log})
		if err != nil {
			return nil, err
		}
		started = append(started, p)
		return p, nil
	}

	backends := []int{ports[0], ports[1]}
	for n, port := range backends {
		config, err := write(dir, fmt.Sprintf("instance-%d.conf", n), instanceConfig(dir, n, port))
		if err != nil {
			return err
		}
		p, err := start(loadCPU, fmt.Sprintf("instance-%d", n), "nginx", "-c", config)
		if err != nil {
			return err
		}
		if err := answers(ctx, p, url(port)); err != nil {
			return err
		}
	}

	nginxConfig, err := write(dir, "nginx.conf", nginxProxyConfig(dir, ports[2], backends, o.accessLog))
	if err != nil {
		return err
	}
	lictorConfig, err := write(dir, "lictor.hcl", lictorProxyConfig(dir, ports[3], ports[4], backends, o.accessLog))
	if err != nil {
		return err
	}
	nginx, lictor := &proxy{name: "nginx", url: url(ports[2])}, &proxy{name: "lictor", url: url(ports[3])}
	if nginx.process, err = start(proxyCPU, "nginx", "nginx", "-c", nginxConfig); err != nil {
		return err
	}
	if lictor.process, err = start(proxyCPU, "lictor", o.lictor, "agent", "-config-file", lictorConfig); err != nil {
		return err
	}
	for _, p := range []*proxy{nginx, lictor} {
		if err := answers(ctx, p.process, p.url); err != nil {
			return fmt.Errorf("waiting for %s: %w\n%s", p.name, err, printed(dir, p.name))
		}
	}

	fmt.Printf("%d runs of %v each, %d keep-alive connections, replies of 1 KiB, access log %s; about %v in all\n\n",
		o.runs, o.duration, o.connections, onOff(o.accessLog), time.Duration(2*o.runs)*(o.duration+warmUp))
	fmt.Println("run  proxy   requests/s  CPU us/request     p50 ms     p99 ms")
	for n := range o.runs {
		for _, p := range []*proxy{nginx, lictor} {
			r, err := measure(ctx, p, o)
			if err != nil {
				return fmt.Errorf("run %d of %s: %w", n+1, p.name, err)
			}
			p.results = append(p.results, r)
			fmt.Printf("%3d  %-6s  %10.0f  %14.2f  %9.2f  %9.2f\n", n+1, p.name,
				float64(r.requests)/o.duration.Seconds(), micros(r.perRequest()), millis(r.p50), millis(r.p99))
		}
	}
	a, b := median(nginx.results, result.perRequest), median(lictor.results, result.perRequest)
	fmt.Printf("\nmedian CPU time per request: nginx %.2f us, lictor %.2f us; lictor/nginx %.2f\n",
		micros(a), micros(b), float64(b)/float64(a))
	for _, p := range []*proxy{nginx, lictor} {
		fmt.Printf("median latency of %-6s p50 %.2f ms, p99 %.2f ms\n", p.name,
			millis(median(p.results, func(r result) time.Duration { return r.p50 })),
			millis(median(p.results, func(r result) time.Duration { return r.p99 })))
	}
	return nil
}

// median returns the middle value, the lower of two.
func median(results []result, of func(result) time.Duration) time.Duration {
	values := make([]time.Duration, len(results))
	for i, r := range results {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func url(port int) string { return fmt.Sprintf("http://127.0.0.1:%d/orders/42", port) }

func write(dir, name, text string) (string, error) {
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("writing a configuration: %w", err)
	}
	return file, nil
}

func printed(dir, name string) string {
	text, err := os.ReadFile(filepath.Join(dir, name+".out"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
