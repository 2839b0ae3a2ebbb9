package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/agent/config"
)

func runValidate(e env, args []string) int {
	fs := flag.NewFlagSet("lictor validate", flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	tags := fs.Bool("fabio", false, "list the routes that the tags of services amount to, as a policy file, by asking the configuration's Consul")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if fs.NArg() == 0 {
		fmt.Fprintln(e.stderr, "lictor validate: give files or directories")
		return exitUsage
	}
	c, files, diags := config.Inspect(agent.ValidateOptions(), nil, fs.Args()...)
	if err := files.Write(e.stderr, diags, 0, colour(e)); err != nil {
		return fail(e, err)
	}
	if diags.HasErrors() {
		return exitFailed
	}
	if *tags {
		return listTags(e, c)
	}
	fmt.Fprintln(e.stdout, "Configuration is valid!")
	return exitOK
}

// colour reports whether standard error is a terminal that shows colours.
func colour(e env) bool { return plainly(e) == "" && terminal(e.stderr) }

// plainly is not empty when the environment asks for no colours.
func plainly(e env) string {
	if e.getenv("TERM") == "dumb" {
		return "dumb"
	}
	return e.getenv("NO_COLOR")
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
