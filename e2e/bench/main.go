// Command bench measures what the gateway spends on a proxied request beside other
// proxies with the same features, on this machine and loopback only.
//
//	bench [-proxies nginx,lictor] [-runs 5] [-duration 5s] [-sizes 1024] [-connections 64] [-logs off]
//	bench -half ...                    the same at half of what nginx can do, by paced load
//	bench -clients tls ...             clients come by TLS: also handshakes, h2 for HTTP/2, grpc for calls
//	bench -idle 10000                  memory of idle connections instead
//
//	load ──▶ proxy ──▶ two instances      load and instances on CPU 1, the proxy on CPU 0
//
// The load is wrk's, or h2load's for HTTP/2, which send as fast as they are answered. That of gRPC is this
// program's own, and so are its instances; with -rate or -half the load is, too: it
// then sends at a given rate and counts a late answer from when its request should
// have been sent. Its p99 is taken of every 100 ms by
// themselves, too: the median of those is what tells proxies apart where the host
// takes the CPUs away now and then, which the column "late" tells.
//
// Each case (size, connections, log) starts everything anew. The proxies take
// turns within a repetition, each time in another order, so that a change of the
// machine's mood hits all of them; the ratio to the first proxy is taken within
// each repetition, and the median of those ratios is what counts. Below 1 means
// less CPU time than the first proxy's.
//
// Debian's packages of nginx, HAProxy, wrk and nghttp2-client are installed by apt-get where they
// are missing; Caddy is built from the version that caddy/go.mod pins.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

type options struct {
	lictor   string
	other    string // the same, from another build
	proxies  []string
	runs     int
	duration time.Duration
	sizes    []int
	connects []int
	logs     []bool
	rate     int  // requests a second; 0 means as many as are answered
	half     bool // rate is half of what the first proxy does without one
	idle     int
	profile  string
	clients  string // the name of the front
	front    front
}

// roles are what this program may be instead, by its first argument.
var roles = map[string]func(args []string) error{
	pacedCommand:        pacedMain,
	grpcInstanceCommand: grpcInstanceMain,
	grpcLoadCommand:     grpcLoadMain,
}

func main() {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		if err := roles[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	o, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	process.DieWithParent(syscall.SIGTERM)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	task := compare
	if o.idle > 0 {
		task = idle
	}
	if err := task(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func parse() (options, error) {
	var o options
	flag.StringVar(&o.lictor, "lictor", "bin/lictor", "`path` of the gateway")
	flag.StringVar(&o.other, "other", "", "`path` of another build of the gateway, which -proxies calls other")
	proxies := flag.String("proxies", "nginx,lictor", "who is measured: nginx, haproxy, caddy, lictor, other; ratios are to the first")
	flag.IntVar(&o.runs, "runs", 3, "how often each proxy is measured")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "how long each measurement takes, in whole seconds")
	sizes := flag.String("sizes", "1024", "sizes of the replies, in bytes")
	flag.StringVar(&o.clients, "clients", "clear", "how clients come: clear, tls, handshakes (one for each request), h2 (by TLS, ten at once on a connection), grpc (unary calls by TLS, 32 at once on a connection)")
	connections := flag.String("connections", "64", "numbers of keep-alive connections of the load generator")
	logs := flag.String("logs", "off", "JSON access logs: off, on, or off,on")
	flag.IntVar(&o.rate, "rate", 0, "requests a second; 0 means as many as are answered")
	flag.BoolVar(&o.half, "half", false, "half the rate that the first proxy reaches, which is found out first")
	flag.IntVar(&o.idle, "idle", 0, "measure the memory of so many idle connections instead")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the gateway under load to this `file`, during its last repetition")
	flag.Parse()

	o.proxies = strings.Split(*proxies, ",")
	for _, name := range o.proxies {
		if _, ok := contenders[name]; !ok {
			return o, fmt.Errorf("there is no proxy %q", name)
		}
	}
	var known bool
	if o.front, known = fronts[o.clients]; !known {
		return o, fmt.Errorf("-clients: there is no %q", o.clients)
	}
	for _, name := range o.proxies {
		if o.front.tls && !secured[name] {
			return o, fmt.Errorf("-clients %s is not there for %s", o.clients, name)
		}
	}
	if o.front.tls && (o.rate > 0 || o.half || o.idle > 0) {
		return o, fmt.Errorf("-rate, -half and -idle are for -clients clear")
	}
	var err error
	if o.sizes, err = numbers("sizes", *sizes); err != nil {
		return o, err
	}
	if most := slices.Max(o.sizes); o.front.grpc && most > mostGRPC {
		return o, fmt.Errorf("-sizes: calls have replies of at most %d bytes", mostGRPC)
	}
	if o.connects, err = numbers("connections", *connections); err != nil {
		return o, err
	}
	for text := range strings.SplitSeq(*logs, ",") {
		if text != "on" && text != "off" {
			return o, fmt.Errorf("-logs: %q is neither on nor off", text)
		}
		o.logs = append(o.logs, text == "on")
	}
	if o.runs < 1 || o.duration < time.Second || o.rate < 0 || o.idle < 0 || flag.NArg() > 0 {
		return o, fmt.Errorf("at least one run of one second, nothing negative, and no arguments: see -help")
	}
	return o, nil
}

func numbers(name, text string) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s: %q is no positive number", name, part)
		}
		all = append(all, n)
	}
	return all, nil
}
