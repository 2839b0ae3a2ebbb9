package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// The proxy has one CPU for itself; everything else shares the other.
const (
	proxyCPU = 0
	loadCPU  = 1
)

// stage is where one case is measured: two instances and the proxies before them,
// in a folder of their own.
type stage struct {
	dir     string
	proxies []*proxy
	started []*process.Process
}

// newStage starts everything. Whatever it returns, close ends what was started.
func newStage(ctx context.Context, o options, size, clients int, accessLog bool) (_ *stage, err error) {
	s := &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "lictor-bench-"); err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	if _, err := s.write("reply", string(bytes.Repeat([]byte{'x'}, size))); err != nil {
		return nil, err
	}
	if o.front.tls {
		if err := s.certify(); err != nil {
			return nil, err
		}
	}
	ports, err := process.FreePorts(2 + 2*len(o.proxies))
	if err != nil {
		return nil, err
	}
	backends := ports[:2]
	for n, port := range backends {
		program, args, err := s.instance(ctx, o, n, port, size)
		if err != nil {
			return nil, err
		}
		i := &proxy{name: "instance-" + strconv.Itoa(n), address: local(port), url: "http://" + local(port) + o.front.target()}
		if err := s.start(ctx, loadCPU, i, o.front.answers(size, false), program, args...); err != nil {
			return nil, err
		}
	}
	for n, name := range o.proxies {
		port, admin := ports[2+2*n], ports[3+2*n]
		c := contenders[name]
		program, err := c.program(ctx, o)
		if err != nil {
			return nil, err
		}
		config, err := s.write(name+"-"+c.file, c.config(setting{s.dir, port, admin, backends, accessLog, clients, o.front.tls, o.front.grpc}))
		if err != nil {
			return nil, err
		}
		p := &proxy{name: name, address: local(port), admin: local(admin), url: o.front.scheme() + local(port) + o.front.target()}
		if err := s.start(ctx, proxyCPU, p, o.front.answers(size, o.front.tls), program, c.args(config)...); err != nil {
			return nil, err
		}
		s.proxies = append(s.proxies, p)
	}
	return s, nil
}

func local(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// instance returns the command that runs the instance of that number.
func (s *stage) instance(ctx context.Context, o options, n, port, size int) (program string, args []string, err error) {
	if o.front.grpc {
		program, err = os.Executable()
		return program, []string{grpcInstanceCommand, local(port), strconv.Itoa(size)}, err
	}
	if program, err = contenders["nginx"].program(ctx, o); err != nil {
		return "", nil, err
	}
	config, err := s.write(fmt.Sprintf("instance-%d.conf", n), instanceConfig(s.dir, n, port, size))
	return program, []string{"-c", config}, err
}

// start runs a program on a CPU and waits until it answers with the reply.
func (s *stage) start(ctx context.Context, cpu int, p *proxy, answers func(context.Context, *proxy) error, program string, args ...string) error {
	output := filepath.Join(s.dir, p.name+".out")
	log, err := os.Create(output)
	if err != nil {
		return fmt.Errorf("opening a log: %w", err)
	}
	defer log.Close() // the child has its own
	path, args := pinned(cpu, program, args)
	// Caddy keeps state at home, which is not the user's here.
	p.process, err = process.Start(process.Command{
		Path: path, Args: args, Output: log,
		Env: []string{"HOME=" + s.dir, "XDG_DATA_HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.dir},
	})
	if err != nil {
		return err
	}
	s.started = append(s.started, p.process)
	waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := process.Until(waiting, p.process, func(ctx context.Context) error { return answers(ctx, p) }); err != nil {
		printed, _ := os.ReadFile(output)
		return fmt.Errorf("waiting for %s: %w\n%s", p.name, err, printed)
	}
	return nil
}

// close ends everything, the proxies before their instances.
func (s *stage) close() error {
	for _, p := range slices.Backward(s.started) {
		p.Kill()
	}
	return os.RemoveAll(s.dir)
}

func (s *stage) write(name, text string) (string, error) {
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("writing a configuration: %w", err)
	}
	return file, nil
}

// pinned returns the command that runs a program on one CPU, where there are two.
func pinned(cpu int, program string, args []string) (string, []string) {
	if runtime.NumCPU() < 2 {
		return program, args
	}
	return "taskset", append([]string{"-c", strconv.Itoa(cpu), program}, args...)
}
