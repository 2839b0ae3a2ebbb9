package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/process"
)

// routed is how many of the services have a route.
const routed = 10

// stage is a Consul and a gateway that routes to service-0 and so on.
type stage struct {
	dir      string
	consul   *datacenter.Agent
	gateway  *process.Process
	address  string // of the gateway's listener
	admin    string
	instance *http.Server
	port     int // of the one instance that answers for all services
}

func newStage(ctx context.Context, o options) (_ *stage, err error) {
	s := &stage{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "lictor-churn-"); err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the instance: %w", err)
	}
	s.port = ln.Addr().(*net.TCPAddr).Port
	s.instance = &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
	}
	go func() { _ = s.instance.Serve(ln) }() // ends with close
	s.consul, err = datacenter.Start(ctx, datacenter.Options{Binary: o.consul, Dir: s.dir})
	return s, err
}

// startGateway runs the gateway and waits until it is ready.
func (s *stage) startGateway(ctx context.Context, o options) error {
	ports, err := process.FreePorts(2)
	if err != nil {
		return err
	}
	s.address, s.admin = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	var b strings.Builder
	fmt.Fprintf(&b, "listener \"public\" {\n  address = %q\n}\nadmin {\n  address = %q\n}\nconsul {\n  address = %q\n}\n", s.address, s.admin, s.consul.Address())
	fmt.Fprintf(&b, "access_log {\n  path = \"off\"\n}\n")
	for n := range routed {
		fmt.Fprintf(&b, "route \"r%d\" {\n  path_prefix = \"/%d\"\n  service     = \"service-%d\"\n}\n", n, n, n)
	}
	file := filepath.Join(s.dir, "lictor.hcl")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("writing the gateway's configuration: %w", err)
	}
	s.gateway, err = process.Start(process.Command{Path: o.lictor, Args: []string{"agent", "-config-file", file}, Dir: s.dir})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return process.Until(ctx, s.gateway, func(ctx context.Context) error {
		status, err := get(ctx, http.DefaultClient, "http://"+s.admin+"/v1/ready")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
}

// get returns the status of an answer.
func get(ctx context.Context, client *http.Client, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("asking: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("asking: %w", err)
	}
	return response.StatusCode, response.Body.Close()
}

func (s *stage) close() error {
	if s.gateway != nil {
		s.gateway.Kill()
	}
	if s.consul != nil {
		s.consul.Kill()
	}
	if s.instance != nil {
		_ = s.instance.Close()
	}
	return os.RemoveAll(s.dir)
}
