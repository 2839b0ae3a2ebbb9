package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

// settle is how long connections have been idle when the memory is read.
const settle = 10 * time.Second

// idle measures the memory of a proxy before and while many clients keep their
// connections after one answer each.
func idle(ctx context.Context, o options) (err error) {
	if err := raiseFiles(uint64(o.idle) + 1024); err != nil {
		return err
	}
	s, err := newStage(ctx, o, o.sizes[0], o.idle, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	fmt.Printf("%d connections, each idle after one answer of %d B; about %v for each proxy\n\n", o.idle, o.sizes[0], settle)
	fmt.Println("| proxy | RSS before, MiB | RSS, MiB | KiB a connection | still open |")
	fmt.Println("|---|--:|--:|--:|--:|")
	for _, p := range s.proxies {
		if err := idleAt(ctx, p, o.idle); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func idleAt(ctx context.Context, p *proxy, connections int) error {
	before, err := process.Resident(p.process.PID())
	if err != nil {
		return err
	}
	conns := make([]net.Conn, 0, connections)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	reader := bufio.NewReader(nil)
	ask := func(conn net.Conn) error {
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, p.address)
		if err != nil {
			return fmt.Errorf("asking: %w", err)
		}
		reader.Reset(conn)
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return fmt.Errorf("reading an answer: %w", err)
		}
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	var dialer net.Dialer
	for n := range connections {
		conn, err := dialer.DialContext(ctx, "tcp", p.address)
		if err != nil {
			return fmt.Errorf("connection %d: %w", n+1, err)
		}
		conns = append(conns, conn)
		if err := ask(conn); err != nil {
			return fmt.Errorf("connection %d: %w", n+1, err)
		}
	}
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := process.Resident(p.process.PID())
	if err != nil {
		return err
	}
	open := 0
	for _, conn := range conns {
		if ask(conn) == nil {
			open++
		}
	}
	fmt.Printf("| %s | %.1f | %.1f | %.2f | %d |\n", p.name,
		float64(before)/(1<<20), float64(after)/(1<<20), float64(after-before)/1024/float64(connections), open)
	return nil
}
