package datacenter

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"github.com/lictor/lictor/e2e/process"
)

// StartCluster runs n servers, named node-1 and so on, that elect one of them,
// and waits until each answers for the datacenter. They keep their state on disk.
func StartCluster(ctx context.Context, n int, options Options) ([]*Agent, error) {
	var err error
	for range 5 {
		var all []*Agent
		if all, err = tryCluster(ctx, n, options); err == nil {
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

func tryCluster(ctx context.Context, n int, options Options) ([]*Agent, error) {
	free, err := process.FreePorts(n * portsEach)
	if err != nil {
		return nil, err
	}
	join := make([]string, n)
	all := make([]*Agent, n)
	for i := range all {
		o := options
		o.Server, o.Node = true, fmt.Sprintf("node-%d", i+1)
		o.Dir = filepath.Join(options.Dir, o.Node)
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("making a server's folder: %w", err)
		}
		o.Config = map[string]any{"bootstrap_expect": n, "retry_join": join, "retry_interval": "250ms"}
		maps.Copy(o.Config, options.Config)
		all[i] = newAgent(o, portsOf(free[i*portsEach:]))
		join[i] = fmt.Sprintf("127.0.0.1:%d", all[i].ports.serf)
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i, a := range all {
		wg.Go(func() { errs[i] = a.start(ctx) })
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// Leads reports whether the agent says of itself that it leads the datacenter.
func (a *Agent) Leads(ctx context.Context) (bool, error) {
	leader, err := a.Leader(ctx)
	return leader == fmt.Sprintf("127.0.0.1:%d", a.ports.server), err
}
