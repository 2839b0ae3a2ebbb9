package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/process"
)

// weigh prints the gateway's memory with no instance and with many, which nobody
// asks for anything.
func weigh(ctx context.Context, o options) (err error) {
	s, err := newStage(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.startGateway(ctx, o); err != nil {
		return err
	}
	before, err := process.Resident(s.gateway.PID())
	if err != nil {
		return err
	}
	for n := range o.instances {
		// An address for documentation (RFC 5737): nothing is sent to it. No node is
		// the agent's own, which takes away what was not registered with it.
		err := s.consul.CatalogRegister(ctx, datacenter.Entry{
			Node: fmt.Sprintf("far-%d", n%100), Address: "192.0.2.1",
			Service: datacenter.EntryService{ID: fmt.Sprintf("instance-%d", n), Service: id(n % routed), Address: fmt.Sprintf("192.0.2.%d", n%250+1), Port: 1024 + n/250},
		})
		if err != nil {
			return err
		}
	}
	if err := s.knows(ctx, o.instances); err != nil {
		return err
	}
	after, err := process.Resident(s.gateway.PID())
	if err != nil {
		return err
	}
	fmt.Printf("\n%d instances of %d services: %.1f MiB, %.1f without any, %.2f KiB an instance\n", o.instances, routed,
		float64(after)/(1<<20), float64(before)/(1<<20), float64(after-before)/1024/float64(o.instances))
	return nil
}

// knows waits until the gateway has seen all instances.
func (s *stage) knows(ctx context.Context, instances int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return process.Until(ctx, s.gateway, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+"/v1/services", nil)
		if err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		defer response.Body.Close()
		var all struct {
			Services []struct{ Instances []json.RawMessage }
		}
		if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
			return fmt.Errorf("decoding the services: %w", err)
		}
		n := 0
		for _, v := range all.Services {
			n += len(v.Instances)
		}
		if n != instances {
			return fmt.Errorf("it knows %d instances", n)
		}
		return nil
	})
}
