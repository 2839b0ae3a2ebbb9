package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/hashicorp/go-hclog"

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
	pidFile := fs.String("pid-file", "", "`file` for the number of the process that serves, which changes with an upgrade")
	if code, ok := parse(fs, args); !ok {
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
	c := make(chan os.Signal, 8)
	signal.Notify(c, harmless...) // a reload asked for meanwhile must not end the process
	up, err := newUpgrader(e, *pidFile)
	if err != nil {
		return fail(e, err)
	}
	heritage, err := up.heritage()
	if err != nil {
		return fail(e, err)
	}
	var a *agent.Agent
	var ctx, hurry context.Context
	a, err = agent.New(agent.Options{
		Input: in, Stdout: e.stdout, Stderr: e.stderr, Version: version,
		Sockets: up, Heritage: heritage, Serving: func() { up.serving(ctx, a.Logger()) },
	})
	if err != nil {
		return fail(e, err)
	}
	// What net/http and others have to say to the standard logger goes where
	// all else does.
	log.SetFlags(0)
	log.SetOutput(a.Logger().Named("std").StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}))
	signal.Notify(c, handled...)
	ctx, hurry = follow(c, running{a, up})
	context.AfterFunc(ctx, up.stop)
	if err := a.Run(ctx, hurry); err != nil {
		return fail(e, err)
	}
	if hurry.Err() != nil { // requests were cut off
		return exitFailed
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

// parse parses flags; when it is not ok the command ends with the code.
func parse(fs *flag.FlagSet, args []string) (code int, ok bool) {
	if t, asked := fs.Output().(*flagTaker); asked { // not run, but described
		t.taken = fs
		return exitOK, false
	}
	switch err := fs.Parse(args); {
	case err == nil:
		return exitOK, true
	case errors.Is(err, flag.ErrHelp):
		return exitOK, false
	default:
		return exitUsage, false
	}
}
