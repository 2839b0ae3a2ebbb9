package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// sample is one instance of a sample service.
type sample struct {
	service, id string
	address     string // host:port, known once it runs
	process     *process.Process
}

// startSamples starts three instances of orders and two each of users and web.
func (d *demo) startSamples(ctx context.Context) error {
	for _, s := range []struct {
		service   string
		instances int
	}{{"orders", 3}, {"users", 2}, {"web", 2}} {
		for n := range s.instances {
			one := &sample{service: s.service, id: s.service + "-" + strconv.Itoa(n+1)}
			if err := d.startSample(ctx, one); err != nil {
				return err
			}
			d.samples = append(d.samples, one)
		}
	}
	return nil
}

func (d *demo) startSample(ctx context.Context, s *sample) error {
	log, err := d.openLog(s.id)
	if err != nil {
		return err
	}
	addrFile := filepath.Join(d.dir, s.id+".addr")
	s.process, err = process.Start(process.Command{
		Path:   d.options.echo,
		Args:   []string{"-name", s.service, "-id", s.id, "-addr", "127.0.0.1:0", "-addr-file", addrFile},
		Output: log,
	})
	if err != nil {
		return err
	}
	d.stops = append(d.stops, func() error { return s.process.Stop(30 * time.Second) })

	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err = process.Until(ctx, s.process, func(context.Context) error {
		text, err := os.ReadFile(addrFile)
		s.address = string(text)
		return err
	})
	if err != nil {
		return fmt.Errorf("waiting for %s: %w%s", s.id, err, tail(d.log(s.id)))
	}
	return nil
}

// register writes one file per instance, as an operator would, and hands them
// all to Consul's own command.
func (d *demo) register(ctx context.Context) error {
	folder := filepath.Join(d.dir, "services")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("making the folder of registrations: %w", err)
	}
	args := []string{"services", "register"}
	for _, s := range d.samples {
		file := filepath.Join(folder, s.id+".hcl")
		if err := os.WriteFile(file, []byte(s.registration()), 0o600); err != nil {
			return fmt.Errorf("writing a registration: %w", err)
		}
		args = append(args, file)
	}
	command := exec.CommandContext(ctx, d.options.consul, args...)
	command.Env = append(os.Environ(), "CONSUL_HTTP_ADDR="+d.consul.Address())
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("consul %s: %w: %s", strings.Join(args, " "), err, output)
	}
	return nil
}

func (s *sample) registration() string {
	host, port, _ := strings.Cut(s.address, ":")
	return fmt.Sprintf(`service {
  id      = %q
  name    = %q
  address = %q
  port    = %s

  check {
    id       = "%s-health"
    name     = "health"
    http     = "http://%s/health"
    interval = "1s"
    timeout  = "5s"
  }
}
`, s.id, s.service, host, port, s.id, s.address)
}
