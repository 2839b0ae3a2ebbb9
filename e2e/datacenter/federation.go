package datacenter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/lictor/lictor/e2e/process"
)

// StartFederation runs one server for each datacenter, all on nodes of the same
// name, joined over the WAN, and waits until each knows of all. They keep their
// state on disk.
func StartFederation(ctx context.Context, datacenters []string, options Options) ([]*Agent, error) {
	var err error
	for range 5 {
		var all []*Agent
		if all, err = tryFederation(ctx, datacenters, options); err == nil {
			return all, nil
		}
		collided := false
		for _, a := range all {
			collided = collided || a.collided()
			a.Kill()
		}
		if !collided {
			return nil, err
		}
	}
	return nil, err
}

func tryFederation(ctx context.Context, datacenters []string, options Options) ([]*Agent, error) {
	n := len(datacenters)
	free, err := process.FreePorts(n * portsEach)
	if err != nil {
		return nil, err
	}
	join := make([]string, n)
	all := make([]*Agent, n)
	for i, dc := range datacenters {
		p := portsOf(free[i*portsEach:])
		o := options
		o.Server, o.Dir = true, filepath.Join(options.Dir, dc)
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("making a datacenter's folder: %w", err)
		}
		o.Config = map[string]any{
			"datacenter": dc, "retry_join_wan": join, "retry_interval_wan": "250ms",
			// As quick as in a LAN, so that a death is soon noticed.
			"gossip_wan": map[string]any{"probe_interval": "500ms", "probe_timeout": "250ms", "suspicion_mult": 2, "gossip_interval": "100ms"},
		}
		maps.Copy(o.Config, options.Config)
		all[i] = newAgent(o, p)
		all[i].wan = true
		join[i] = fmt.Sprintf("127.0.0.1:%d", p.wan)
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i, a := range all {
		wg.Go(func() { errs[i] = a.start(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return all, err
	}
	for _, a := range all {
		if err := a.waitFor(ctx, datacenters); err != nil {
			return all, err
		}
	}
	return all, nil
}

// waitFor waits until the agent gets answers from every datacenter.
func (a *Agent) waitFor(ctx context.Context, datacenters []string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return process.Until(ctx, a.process, func(ctx context.Context) error {
		var known []string
		if err := a.Get(ctx, "/v1/catalog/datacenters", &known); err != nil {
			return err
		}
		for _, dc := range datacenters {
			if !slices.Contains(known, dc) {
				return fmt.Errorf("%s is not among %q", dc, known)
			}
			var nodes []any
			if err := a.Get(ctx, "/v1/catalog/nodes?dc="+dc, &nodes); err != nil {
				return err
			}
		}
		return nil
	})
}
