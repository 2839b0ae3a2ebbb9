package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/simulate"
)

// simulateFlags are what lictor simulate is asked.
type simulateFlags struct {
	policies, logs list
	format, host   string
	html           string
	json           bool
}

func runSimulate(e env, args []string) int {
	fs := flag.NewFlagSet("lictor simulate", flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	var f simulateFlags
	fs.Var(&f.policies, "policy", "a policy `file` or directory; may be repeated")
	fs.Var(&f.logs, "log", "an access log, plain or compressed by gzip; - is standard input; may be repeated, the oldest `file` first")
	fs.StringVar(&f.format, "format", "", "the format of the logs, one of "+simulate.FormatNames()+"; found out for each `format` if not given")
	fs.StringVar(&f.host, "host", "", "the `host` that requests asked for where the log doesn't tell")
	fs.BoolVar(&f.json, "json", false, "print the report as JSON")
	fs.StringVar(&f.html, "html", "", "write the report to a `file`, too, as a page for browsers")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if _, known := simulate.Lookup(f.format); f.format != "" && !known {
		fmt.Fprintf(e.stderr, "lictor simulate: there is no format %q; the formats are %s\n", f.format, simulate.FormatNames())
		return exitUsage
	}
	if len(f.policies) == 0 || len(f.logs) == 0 || fs.NArg() > 0 {
		fmt.Fprintln(e.stderr, "lictor simulate: give policies and logs: -policy PATH -log FILE")
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return f.simulate(ctx, e)
}

func (f *simulateFlags) simulate(ctx context.Context, e env) int {
	policy, files, diags := config.LoadPolicies(agent.ConfigOptions(), f.policies)
	if err := files.Write(e.stderr, diags, 0, colour(e)); err != nil {
		return fail(e, err)
	}
	if diags.HasErrors() {
		return exitFailed
	}
	o := simulate.Options{Policy: policy, Host: f.host, Cores: runtime.GOMAXPROCS(0)}
	for _, name := range f.logs {
		s, err := simulate.Open(name, f.format, os.Stdin)
		if err != nil {
			return fail(e, err)
		}
		defer s.Close()
		o.Logs = append(o.Logs, s)
	}
	finished := showProgress(e, o.Logs)
	report, err := simulate.Run(ctx, o)
	finished()
	if err != nil {
		return fail(e, err)
	}
	if f.html != "" {
		if err := writePage(f.html, report); err != nil {
			return fail(e, err)
		}
	}
	if err := f.print(e.stdout, report); err != nil {
		return fail(e, err)
	}
	return exitOK
}

func (f *simulateFlags) print(w io.Writer, r *simulate.Report) error {
	if !f.json {
		return r.WriteText(w)
	}
	j := json.NewEncoder(w)
	j.SetIndent("", "  ")
	return j.Encode(r)
}

// writePage writes the report for browsers. It replaces the file whole.
func writePage(name string, r *simulate.Report) (err error) {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	defer func() {
		if closed := file.Close(); err == nil && closed != nil {
			err = fmt.Errorf("writing the report: %w", closed)
		}
	}()
	b := bufio.NewWriter(file)
	if err := r.WriteHTML(b); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return b.Flush()
}
