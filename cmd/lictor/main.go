// Lictor is a gateway at the edge of a Consul datacenter.
package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // refused or failed
	exitUsage  = 2
)

// env is what a command may touch of the process around it.
type env struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	// upgradable says that the process may be one of a row in which each takes over
	// from the one before: one that main has started.
	upgradable bool
}

// command is one subcommand.
type command struct {
	name, args, help string
	run              func(e env, args []string) int
}

// commands lists the subcommands in the order of the help text.
func commands() []command {
	return []command{
		{"agent", "-config-file F -config-dir D [-dev]", "run the gateway", runAgent},
		{"validate", "[-fabio] PATH...", "check configuration and policy files", runValidate},
		{"reload", "", "reload the running gateway and print what is wrong", runReload},
		{"routes", "[-json] [-watch] [NAME...]", "list the routes of the running gateway", runRoutes},
		{"services", "[-json] [-watch] [NAME...]", "list its services and their instances", runServices},
		{"limits", "[-json] [-watch] [NAME...]", "list its limits and what they decided", runLimits},
		{"certificates", "[-json] [-watch]", "list what its listeners show, and when that ends", runCertificates},
		{"unknown", "[-json] [-watch] [HOST...]", "list the paths asked for most that no route takes", runUnknown},
		{"explain", "[-method M] [-header 'K: V']... [-token-file F] [-from IP] [-source SERVICE] URL", "tell what would become of a request, and why", runExplain},
		{"policies", "push|pull|diff DIR", "keep the policies in Consul's KV store and a folder alike", runPolicies},
		{"api-key", "[-expires DATE] NAME", "make a key, and the line of a keys_file that knows it", runAPIKey},
		{"simulate", "-policy PATH -log FILE", "replay an access log against policies: who would be limited", runSimulate},
		{"debug", "[-duration 30s] [-output FILE]", "write a bundle for whoever helps: state, metrics, log and profiles, no secrets", runDebug},
		{"completion", "bash|zsh|fish", "print a script with which a shell completes these commands", runCompletion},
		{"man", "[-dir DIR]", "print the manual, or write all of its pages", runMan},
		{"version", "", "print the version", runVersion},
		{"help", "", "print this text", runHelp},
	}
}

func main() {
	os.Exit(dispatch(env{os.Stdout, os.Stderr, os.Getenv, true}, os.Args[1:]))
}

func dispatch(e env, args []string) int {
	if len(args) == 0 {
		usage(e.stderr)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-v", "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(e, args[1:])
		}
	}
	fmt.Fprintf(e.stderr, "lictor: unknown command %q\n\n", args[0])
	usage(e.stderr)
	return exitUsage
}

func listCommands(w io.Writer, all []command) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range all {
		fmt.Fprintf(t, "  %s %s\t%s\n", c.name, c.args, c.help)
	}
	_ = t.Flush() // nothing is left to do about it
}

func runHelp(e env, _ []string) int {
	usage(e.stdout)
	return exitOK
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Usage: lictor COMMAND [ARGUMENTS]\n\n")
	listCommands(w, commands())
	fmt.Fprint(w, `
Commands that speak to a running gateway take -address (or LICTOR_ADDR, default
http://127.0.0.1:9980) and LICTOR_TOKEN. "lictor COMMAND -h" tells more.
`)
}
