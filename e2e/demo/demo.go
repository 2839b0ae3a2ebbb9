package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/process"
)

//go:embed lictor.hcl policies
var examples embed.FS

type options struct {
	consul, lictor, echo string
	check                bool
}

// demo is what runs. It is filled from top to bottom and taken down from bottom
// to top.
type demo struct {
	options options
	dir     string

	consul  *datacenter.Agent
	samples []*sample
	gateway *process.Process

	public, admin string // host:port
	token         string // good for the route that asks for one

	stops []func() error // in the order of starting
}

// run starts everything, shows or checks what to try, and ends everything.
func run(ctx context.Context, o options) (err error) {
	dir, err := os.MkdirTemp("", "lictor-demo-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	d := &demo{options: o, dir: dir}
	defer func() { err = errors.Join(err, d.stop()) }()

	began := time.Now()
	for _, step := range []struct {
		says string
		do   func(context.Context) error
	}{
		{"starting Consul (dev mode, a few seconds)", d.startConsul},
		{"starting seven instances of three services", d.startSamples},
		{"registering them with `consul services register`", d.register},
		{"starting the gateway and waiting until it has seen them", d.startGateway},
	} {
		start := time.Now()
		fmt.Printf("  %-58s", step.says)
		if err := step.do(ctx); err != nil {
			fmt.Println()
			return err
		}
		fmt.Printf("%5.1f s\n", time.Since(start).Seconds())
	}
	fmt.Printf("\nUp after %.1f s. Everything below is real.\n", time.Since(began).Seconds())

	tour := d.tour()
	if o.check {
		return check(ctx, tour)
	}
	d.show(tour)
	return d.watch(ctx)
}

// watch returns when somebody has had enough, or when something ended that should
// not.
func (d *demo) watch(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.gateway.Done():
			if !d.takenOver() {
				return fmt.Errorf("the gateway ended by itself: %w%s", orZero(d.gateway.Err()), tail(d.log("lictor")))
			}
			fmt.Printf("another process has taken over from the gateway: %d\n", d.gateway.PID())
		case <-d.consul.Process().Done():
			return fmt.Errorf("the Consul agent ended by itself: %w%s", orZero(d.consul.Process().Err()), tail(d.log("consul")))
		}
	}
}

// stop ends everything in reverse order and removes the temporary folder.
func (d *demo) stop() error {
	if len(d.stops) > 0 {
		fmt.Println("\nending the gateway, the services and Consul")
	}
	var errs []error
	for _, stop := range slices.Backward(d.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

func (d *demo) startConsul(ctx context.Context) error {
	log, err := d.openLog("consul")
	if err != nil {
		return err
	}
	d.consul, err = datacenter.Start(ctx, datacenter.Options{
		Binary:   d.options.consul,
		Dir:      d.dir,
		HTTPPort: 8500,
		Output:   log,
	})
	if err != nil {
		return err
	}
	d.stops = append(d.stops, d.consul.Stop)
	return nil
}

func (d *demo) log(name string) string { return filepath.Join(d.dir, name+".log") }

// openLog opens a log that lives until the demo ends.
func (d *demo) openLog(name string) (*os.File, error) {
	file, err := os.Create(d.log(name))
	if err != nil {
		return nil, fmt.Errorf("opening a log: %w", err)
	}
	d.stops = append(d.stops, file.Close)
	return file, nil
}

// tail returns the last of a log, for an error message.
func tail(file string) string {
	text, err := os.ReadFile(file)
	if err != nil || len(text) == 0 {
		return ""
	}
	return "; its log ends:\n" + string(text[max(0, len(text)-2000):])
}

func orZero(err error) error {
	if err == nil {
		return errors.New("exit code 0")
	}
	return err
}
