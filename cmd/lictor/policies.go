package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
)

// defaultPrefix is where policies are where nobody says otherwise.
const defaultPrefix = "lictor/policies/"

// policyCommands are the commands of `lictor policies`.
func policyCommands() []command {
	return []command{
		{"push", "[-prune] DIR", "check the files of DIR and write them as one transaction", runPush},
		{"pull", "[-force] DIR", "write the keys as files below DIR", runPull},
		{"diff", "DIR", "show what push would change; exit 0: nothing, 1: something, 2: trouble", runDiff},
	}
}

func runPolicies(e env, args []string) int {
	if len(args) > 0 {
		for _, c := range policyCommands() {
			if c.name == args[0] {
				return c.run(e, args[1:])
			}
		}
	}
	out, code := e.stderr, exitUsage
	switch {
	case len(args) == 0:
	case args[0] == "-h" || args[0] == "-help" || args[0] == "--help" || args[0] == "help":
		out, code = e.stdout, exitOK
	default:
		fmt.Fprintf(e.stderr, "lictor policies: unknown command %q\n\n", args[0])
	}
	fmt.Fprint(out, "Usage: lictor policies COMMAND [ARGUMENTS]\n\nKeeps the policies in Consul's KV store (policies.kv_prefix) and a folder alike.\n\n")
	listCommands(out, policyCommands())
	fmt.Fprint(out, `
-config-file and -config-dir name the gateway's configuration: where Consul and the
policies in it are, and what the policies are checked together with. Without them
-prefix (default `+defaultPrefix+`) and Consul's own environment variables say.
`)
	return code
}

// store is the policies in Consul that a command is about, and the folder.
type store struct {
	kv   *consul.KV
	done func() // gives a token back that was got for this
	dir  string
	json bool
	// configs are the files and folders of the gateway's configuration.
	configs []string
}

// openStore parses what the commands of `lictor policies` share; more adds a
// command's own flags. When it is not ok the command ends with the code.
func openStore(e env, name string, args []string, more func(*flag.FlagSet)) (s *store, code int, ok bool) {
	fs := flag.NewFlagSet("lictor policies "+name, flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	var in config.Input
	fs.Var((*list)(&in.ConfigFiles), "config-file", "configuration `file` of the gateway; repeats")
	fs.Var((*list)(&in.ConfigDirs), "config-dir", "`directory` of its configuration files; repeats")
	prefix := fs.String("prefix", "", "what the keys begin with (default: the configuration's kv_prefix, or "+defaultPrefix+")")
	address := fs.String("http-addr", "", "`address` of the Consul agent (default: the configuration's, or CONSUL_HTTP_ADDR)")
	tokenFile := fs.String("token-file", "", "`file` with the ACL token (default: the configuration's, or CONSUL_HTTP_TOKEN)")
	datacenter := fs.String("datacenter", "", "`name` of the datacenter (default: the configuration's, or the agent's own)")
	s = &store{}
	fs.BoolVar(&s.json, "json", false, "print what was done as JSON")
	more(fs)
	if code, ok := parse(fs, args); !ok {
		return nil, code, false
	}
	if fs.NArg() != 1 {
		fmt.Fprintf(e.stderr, "lictor policies %s: give one directory\n", name)
		return nil, exitUsage, false
	}
	s.dir = fs.Arg(0)
	s.configs = append(append(s.configs, in.ConfigFiles...), in.ConfigDirs...)

	var con config.Consul
	if len(s.configs) > 0 {
		in.Options = agent.ConfigOptions()
		c, files, diags := config.Load(in)
		if diags.HasErrors() {
			_ = files.Write(e.stderr, diags, 0, colour(e)) // nothing is left to do about it
			return nil, exitFailed, false
		}
		if c.Policies.KVPrefix == "" && *prefix == "" {
			return nil, fail(e, errors.New("the configuration has no policies.kv_prefix: give -prefix, or set it")), false
		}
		*prefix = cmp.Or(*prefix, c.Policies.KVPrefix)
		if c.Consul != nil {
			con = *c.Consul
		}
	}
	folder := strings.TrimRight(cmp.Or(*prefix, defaultPrefix), "/") + "/"
	if strings.HasPrefix(folder, "/") {
		fmt.Fprintf(e.stderr, "lictor policies %s: -prefix: a key of Consul does not begin with a slash\n", name)
		return nil, exitUsage, false
	}
	con.Address = cmp.Or(*address, con.Address)
	con.Datacenter = cmp.Or(*datacenter, con.Datacenter)
	if *tokenFile != "" {
		con.TokenFile, con.Login = *tokenFile, nil
	}
	if err := s.open(&con, folder); err != nil {
		return nil, fail(e, err), false
	}
	return s, exitOK, true
}

// open gets at the keys below the folder; done ends what it began.
func (s *store) open(con *config.Consul, folder string) error {
	ctx, cancel := interruptible()
	defer cancel()
	in, done, err := agent.Asking(ctx, con)
	if err != nil {
		return err
	}
	if s.kv, err = consul.NewKV(in, folder); err != nil {
		done()
		return err
	}
	s.done = done
	return nil
}

// interruptible is done when the person at the terminal has had enough.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}

// relative is a key without the prefix.
func (s *store) relative(key string) string { return strings.TrimPrefix(key, s.kv.Prefix()) }

// printJSON writes a value as the admin API does.
func printJSON(w io.Writer, v any) {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(v) // nothing is left to do about it
}
