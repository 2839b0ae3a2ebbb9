package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/agent/config"
)

// list is a flag that repeats.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func runAgent(e env, args []string) int {
	var in config.Input
	fs := flag.NewFlagSet("lictor agent", flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	fs.Var((*list)(&in.ConfigFiles), "config-file", "configuration `file`; repeats")
	fs.Var((*list)(&in.ConfigDirs), "config-dir", "`directory` of *.hcl and *.hcl.json files, read in lexical order; repeats")
	fs.BoolVar(&in.Dev, "dev", false, "listener 127.0.0.1:8080, admin 127.0.0.1:9980, Consul 127.0.0.1:8500, policies from ./policies")
	fs.StringVar(&in.LogLevel, "log-level", "", "TRACE, DEBUG, INFO, WARN or ERROR; wins over files")
	fs.BoolVar(&in.LogJSON, "log-json", false, "log in JSON")
	if code, ok := parse(e, fs, args); !ok {
		return code
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(e.stderr, "lictor agent: unexpected argument %q\n", fs.Arg(0))
		return exitUsage
	}
	if len(in.ConfigFiles)+len(in.ConfigDirs) == 0 && !in.Dev {
		fmt.Fprintln(e.stderr, "lictor agent: give -config-file or -config-dir, or -dev to try it out")
		return exitUsage
	}
	a, err := agent.New(agent.Options{Input: in, Stdout: e.stdout, Stderr: e.stderr, Version: version})
	if err != nil {
		return fail(e, err)
	}
	ctx, hurry := signals(a)
	if err := a.Run(ctx, hurry); err != nil {
		return fail(e, err)
	}
	return exitOK
}

// fail prints an error. Diagnostics are printed as they are.
func fail(e env, err error) int {
	if d := (*agent.DiagnosticsError)(nil); errors.As(err, &d) {
		fmt.Fprint(e.stderr, d.Text)
		return exitFailed
	}
	fmt.Fprintf(e.stderr, "lictor: %v\n", err)
	return exitFailed
}

// signals returns a context that ends with the first request to stop, and one
// that ends with the second.
func signals(a *agent.Agent) (ctx, hurry context.Context) {
	ctx, stop := context.WithCancel(context.Background())
	hurry, now := context.WithCancel(context.Background())
	c := make(chan os.Signal, 4)
	signal.Notify(c, handled...)
	go func() {
		stopping := false
		for s := range c {
			switch what := meaning(s); {
			case what == reloadSignal:
				a.ReopenLogs(ctx)
				_, _ = a.Reload() // it has logged what is wrong
			case what == dumpSignal:
				a.DumpTelemetry()
			case stopping:
				now()
				os.Exit(exitFailed)
			default:
				stopping = true
				stop()
			}
		}
	}()
	return ctx, hurry
}

type signalMeaning int

const (
	stopSignal signalMeaning = iota
	reloadSignal
	dumpSignal
)

// parse parses flags; when it is not ok the command ends with the code.
func parse(e env, fs *flag.FlagSet, args []string) (code int, ok bool) {
	switch err := fs.Parse(args); {
	case err == nil:
		return exitOK, true
	case errors.Is(err, flag.ErrHelp):
		return exitOK, false
	default:
		return exitUsage, false
	}
}
