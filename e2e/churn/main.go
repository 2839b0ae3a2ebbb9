// Command churn measures how a gateway follows a catalog that changes: the time
// from a change in Consul to its effect on traffic, the CPU time that a change
// costs the agent and the gateway, and the gateway's memory with many instances.
// It runs a real Consul and a real gateway on loopback ports of their own.
//
//	churn -consul .tools/consul -lictor bin/lictor
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// options are the flags.
type options struct {
	consul, lictor string
	services       []int
	changes        int
	instances      int
}

func main() {
	var o options
	flag.StringVar(&o.consul, "consul", ".tools/consul", "`path` of the consul program")
	flag.StringVar(&o.lictor, "lictor", "bin/lictor", "`path` of the gateway")
	services := flag.String("services", "10,100,500", "numbers of services in the catalog, of which ten are routed")
	flag.IntVar(&o.changes, "changes", 200, "how many changes are timed, and how many more are paid for")
	flag.IntVar(&o.instances, "instances", 20000, "how many instances the gateway's memory is measured with; 0 leaves that out")
	flag.Parse()
	for n := range strings.SplitSeq(*services, ",") {
		count, err := strconv.Atoi(n)
		if err != nil || count < routed {
			fmt.Fprintf(os.Stderr, "churn: %q is no number of services from %d up\n", n, routed)
			os.Exit(2)
		}
		o.services = append(o.services, count)
	}
	for _, program := range []*string{&o.consul, &o.lictor} { // they run in folders of their own
		path, err := filepath.Abs(*program)
		if err != nil {
			fmt.Fprintln(os.Stderr, "churn:", err)
			os.Exit(1)
		}
		*program = path
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "churn:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	fmt.Println("| services | effect p50 ms | p99 ms | agent CPU ms/change | gateway CPU ms/change | gateway MiB |")
	fmt.Println("|--:|--:|--:|--:|--:|--:|")
	for _, n := range o.services {
		if err := follow(ctx, o, n); err != nil {
			return fmt.Errorf("with %d services: %w", n, err)
		}
	}
	if o.instances == 0 {
		return nil
	}
	return weigh(ctx, o)
}
