// Command bench measures the CPU time that the gateway spends on one proxied
// request, beside nginx with the same features, on this machine and loopback only.
//
//	bench -lictor bin/lictor [-runs 3] [-duration 5s] [-connections 64] [-access-log]
//
//	wrk ──▶ proxy ──▶ two instances      wrk and instances on CPU 1, the proxy on CPU 0
//
// nginx and wrk are installed by apt-get where they are missing. Runs of the two
// proxies take turns, so that a change of the machine's mood hits both, and the
// medians are compared. A ratio below 1 means that the gateway spends less.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

type options struct {
	lictor      string
	runs        int
	duration    time.Duration
	connections int
	accessLog   bool
}

func main() {
	var o options
	flag.StringVar(&o.lictor, "lictor", "bin/lictor", "`path` of the gateway")
	flag.IntVar(&o.runs, "runs", 3, "how often each proxy is measured")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "how long each measurement takes")
	flag.IntVar(&o.connections, "connections", 64, "keep-alive connections of the load generator")
	flag.BoolVar(&o.accessLog, "access-log", false, "both write a JSON access log")
	flag.Parse()
	if o.runs < 1 || o.duration < time.Second || o.connections < 1 {
		fmt.Fprintln(os.Stderr, "bench: at least one run of one second with one connection")
		os.Exit(2)
	}

	process.DieWithParent(syscall.SIGTERM)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}
