package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lictor/lictor/e2e/datacenter"
	"github.com/lictor/lictor/e2e/process"
)

// paidRate is how many changes a second there are while the CPU time is measured.
const paidRate = 20

// follow prints the row of a catalog with so many services, each with one
// instance and a TTL check, by which it is changed.
func follow(ctx context.Context, o options, services int) (err error) {
	s, err := newStage(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for n := range services {
		err := s.consul.Register(ctx, datacenter.Registration{
			ID: id(n), Name: id(n), Address: "127.0.0.1", Port: s.port,
			Checks: []datacenter.Check{{CheckID: id(n), TTL: "1h", Status: "passing"}},
		})
		if err != nil {
			return err
		}
	}
	if err := s.startGateway(ctx, o); err != nil {
		return err
	}
	took, err := s.time(ctx, o.changes)
	if err != nil {
		return err
	}
	agent, gateway, err := s.price(ctx, o.changes)
	if err != nil {
		return err
	}
	memory, err := process.Resident(s.gateway.PID())
	if err != nil {
		return err
	}
	fmt.Printf("| %d | %.1f | %.1f | %.2f | %.2f | %.1f |\n", services,
		milliseconds(took[len(took)/2]), milliseconds(took[len(took)*99/100]), milliseconds(agent), milliseconds(gateway), float64(memory)/(1<<20))
	return nil
}

func id(n int) string { return fmt.Sprintf("service-%d", n) }

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

// time makes instances critical and passing again, one after another, and returns,
// sorted, how long after the change was asked for traffic went by it.
func (s *stage) time(ctx context.Context, changes int) ([]time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	var took []time.Duration
	for n := range changes {
		service := n / 2 % routed
		state, want := "critical", http.StatusServiceUnavailable
		if n%2 == 1 {
			state, want = "passing", http.StatusNoContent
		}
		url := fmt.Sprintf("http://%s/%d", s.address, service)
		start := time.Now()
		if err := s.consul.Report(ctx, id(service), state); err != nil {
			return nil, err
		}
		for {
			status, err := get(ctx, client, url)
			if err != nil {
				return nil, err
			}
			if status == want {
				break
			}
			if time.Since(start) > time.Minute {
				return nil, fmt.Errorf("change %d to %s has no effect: %d", n, state, status)
			}
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took, nil
}

// price makes as many changes again, at a steady rate and without traffic, and
// returns the CPU time of one for the agent and for the gateway.
func (s *stage) price(ctx context.Context, changes int) (agent, gateway time.Duration, err error) {
	pids := [2]int{s.consul.Process().PID(), s.gateway.PID()}
	var before, after [2]time.Duration
	for i, pid := range pids {
		if before[i], err = process.CPUTime(pid); err != nil {
			return 0, 0, err
		}
	}
	tick := time.NewTicker(time.Second / paidRate)
	defer tick.Stop()
	for n := range changes {
		state := "critical"
		if n%2 == 1 {
			state = "passing"
		}
		if err := s.consul.Report(ctx, id(n/2%routed), state); err != nil {
			return 0, 0, err
		}
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-tick.C:
		}
	}
	for i, pid := range pids {
		if after[i], err = process.CPUTime(pid); err != nil {
			return 0, 0, err
		}
	}
	per := time.Duration(changes)
	return (after[0] - before[0]) / per, (after[1] - before[1]) / per, nil
}
