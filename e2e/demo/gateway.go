package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// startGateway writes the example configuration with the ports of this machine,
// runs the gateway on it and waits until it is ready.
func (d *demo) startGateway(ctx context.Context) error {
	var err error
	for range 3 {
		if err = d.tryGateway(ctx); err == nil {
			return nil
		}
		text, readErr := os.ReadFile(d.log("lictor"))
		if readErr != nil || !strings.Contains(string(text), "address already in use") {
			return err
		}
	}
	return err
}

func (d *demo) tryGateway(ctx context.Context) error {
	free, err := process.FreePorts(2)
	if err != nil {
		return err
	}
	d.public = fmt.Sprintf("127.0.0.1:%d", process.PortOr(8080, free[0]))
	d.admin = fmt.Sprintf("127.0.0.1:%d", process.PortOr(9980, free[1]))
	if err := d.writeExamples(); err != nil {
		return err
	}
	if err := d.makeToken(); err != nil {
		return err
	}
	log, err := d.openLog("lictor")
	if err != nil {
		return err
	}
	d.gateway, err = process.Start(process.Command{
		Path:   d.options.lictor,
		Args:   []string{"agent", "-config-file", filepath.Join(d.dir, "lictor.hcl"), "-pid-file", d.pidFile()},
		Output: log,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := process.Until(ctx, d.gateway, d.ready); err != nil {
		d.gateway.Kill()
		return fmt.Errorf("waiting for the gateway: %w%s", err, tail(d.log("lictor")))
	}
	d.stops = append(d.stops, func() error { return d.gateway.Stop(30 * time.Second) })
	return nil
}

func (d *demo) pidFile() string { return filepath.Join(d.dir, "lictor.pid") }

// takenOver reports whether another process has taken over from the gateway, which
// has ended, and follows that one from now on.
func (d *demo) takenOver() bool {
	text, err := os.ReadFile(d.pidFile())
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid == d.gateway.PID() {
		return false
	}
	d.gateway, err = process.Attach("lictor", pid)
	return err == nil
}

// ready asks the gateway whether it is ready, and whether it has heard of every
// instance that it has passed its first health check: only then do the lines come out
// as told.
func (d *demo) ready(ctx context.Context) error {
	if _, err := d.ask(ctx, "/v1/ready"); err != nil {
		return err
	}
	body, err := d.ask(ctx, "/v1/services")
	if err != nil {
		return err
	}
	var answer struct {
		Services []struct{ Instances []struct{ Eligible bool } }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("decoding the gateway's services: %w", err)
	}
	eligible := 0
	for _, s := range answer.Services {
		for _, i := range s.Instances {
			if i.Eligible {
				eligible++
			}
		}
	}
	if eligible < len(d.samples) {
		return fmt.Errorf("the gateway has heard of %d of %d instances that they have passed their health check", eligible, len(d.samples))
	}
	return nil
}

// ask asks the gateway's admin API.
func (d *demo) ask(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.admin+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the gateway answers %s to %s: %s", response.Status, path, body)
	}
	return body, nil
}

// writeExamples copies the example configuration to the temporary folder and
// replaces the addresses in it by those in use.
func (d *demo) writeExamples() error {
	replace := strings.NewReplacer(
		"127.0.0.1:8080", d.public,
		"127.0.0.1:9980", d.admin,
		"127.0.0.1:8500", d.consul.Address(),
	)
	return fs.WalkDir(examples, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("copying the examples: %w", err)
		}
		target := filepath.Join(d.dir, filepath.FromSlash(path))
		if entry.IsDir() {
			if err := os.MkdirAll(target, 0o700); err != nil {
				return fmt.Errorf("copying the examples: %w", err)
			}
			return nil
		}
		text, err := examples.ReadFile(path)
		if err != nil {
			return fmt.Errorf("copying the examples: %w", err)
		}
		if err := os.WriteFile(target, []byte(replace.Replace(string(text))), 0o600); err != nil {
			return fmt.Errorf("copying the examples: %w", err)
		}
		return nil
	})
}
