// Command demo runs the whole of Lictor on one machine: a real Consul, three
// sample services with seven instances, and the gateway with example policies.
//
//	demo -consul PATH -lictor PATH -echo PATH          run until Ctrl-C
//	demo -consul PATH -lictor PATH -echo PATH -check   try every printed line, then end
//
// Everything listens on loopback only. Whatever it started ends with it, and its
// temporary folder goes too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lictor/lictor/e2e/process"
)

func main() {
	var o options
	flag.StringVar(&o.consul, "consul", "consul", "`path` of the consul program")
	flag.StringVar(&o.lictor, "lictor", "bin/lictor", "`path` of the gateway")
	flag.StringVar(&o.echo, "echo", "bin/echo", "`path` of the sample service")
	flag.BoolVar(&o.check, "check", false, "try every line that is printed, say what came of it, and end")
	flag.Parse()

	// Before anything is started: make may be killed without a word to its children.
	process.DieWithParent(syscall.SIGTERM)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, o); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}
