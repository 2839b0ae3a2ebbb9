package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lictor/lictor/e2e/process"
)

// setting is what a proxy is configured for: least connections over the instances,
// one limit by the client's address that nobody reaches, the forwarding fields, a
// request id and a trace context, connections kept on both sides. The fields that
// tell of the limit are constants in proxies that know none.
type setting struct {
	dir         string
	port, admin int
	backends    []int
	accessLog   bool
	clients     int // connections at once
	tls         bool
	grpc        bool // requests are calls of gRPC, in clear to instances
}

// contender is a kind of proxy.
type contender struct {
	// program returns the path of its program, installing or building it if need be.
	program func(context.Context, options) (string, error)
	// file and config are the name and the text of its configuration.
	file   string
	config func(setting) string
	// args run it in the foreground as one process, with the configuration's path.
	args func(config string) []string
}

var contenders = map[string]contender{
	"nginx": {
		program: packaged("nginx", "nginx-light"),
		file:    "nginx.conf",
		config:  nginxConfig,
		args:    func(config string) []string { return []string{"-c", config} },
	},
	"haproxy": {
		program: packaged("haproxy", "haproxy"),
		file:    "haproxy.cfg",
		config:  haproxyConfig,
		args:    func(config string) []string { return []string{"-db", "-f", config} },
	},
	"caddy": {
		program: func(ctx context.Context, _ options) (string, error) {
			return scripted(ctx, "e2e/tools/build.sh", "e2e/bench/caddy",
				"github.com/caddyserver/caddy/v2/cmd/caddy", "2 to 4 minutes on 2 cores")
		},
		file:   "Caddyfile",
		config: caddyConfig,
		args:   func(config string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} },
	},
	"lictor": gateway(func(o options) string { return o.lictor }),
	"other":  gateway(func(o options) string { return o.other }),
}

// gateway is the gateway, of one build or another.
func gateway(program func(options) string) contender {
	return contender{
		program: func(_ context.Context, o options) (string, error) { return program(o), nil },
		file:    "lictor.hcl",
		config:  lictorConfig,
		args:    func(config string) []string { return []string{"agent", "-config-file", config} },
	}
}

// packaged finds the program of a Debian package.
func packaged(program, debian string) func(context.Context, options) (string, error) {
	return func(ctx context.Context, _ options) (string, error) {
		return scripted(ctx, "e2e/programs/find.sh", program, debian)
	}
}

// scripted returns the path that a script of the source prints.
func scripted(ctx context.Context, script string, args ...string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the source: %w", err)
	}
	var told strings.Builder
	command := exec.CommandContext(ctx, filepath.Join(filepath.Dir(strings.TrimSpace(string(root))), script), args...)
	command.Stderr = &told
	path, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("running %s %s: %w: %s", script, strings.Join(args, " "), err, told.String())
	}
	return strings.TrimSpace(string(path)), nil
}

// proxy is a contender that runs.
type proxy struct {
	name    string
	url     string
	address string
	admin   string // only the gateway has one
	process *process.Process
}

// target is what is asked for.
const target = "/orders/42"
