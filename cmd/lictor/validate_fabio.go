package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/fabio"
)

// listTags prints what the tags of Consul's services amount to: a policy file, with
// what is to be known of it in comments.
func listTags(e env, c *config.Config) int {
	ctx, cancel := interruptible()
	defer cancel()
	found, err := agent.ReadTags(ctx, c)
	if err != nil {
		return fail(e, err)
	}
	routes, warnings := found.Routes, found.Warnings
	var services []string
	for _, r := range routes {
		services = append(services, r.Service)
	}
	for i := range warnings {
		services = append(services, warnings[i].Service)
	}
	slices.Sort(services)
	for _, name := range slices.Compact(services) {
		fmt.Fprintf(e.stdout, "# Service %q.\n", name)
		for i := range warnings {
			if w := &warnings[i]; w.Service == name {
				fmt.Fprintf(e.stdout, "# Warning: %s.\n", strings.TrimSuffix(w.String(), "."))
			}
		}
		for _, r := range routes {
			if r.Service != name {
				continue
			}
			fmt.Fprintf(e.stdout, "\n# %q\n", r.Of)
			if policy := fabio.Covered(r, c.Policy.Routes); policy != "" {
				fmt.Fprintf(e.stdout, "# The route %q of a policy comes first.\n", policy)
			}
			fmt.Fprint(e.stdout, r.Text())
		}
		fmt.Fprintln(e.stdout)
	}
	if !c.Consul.FabioTags {
		fmt.Fprintln(e.stderr, "These routes are not made: the consul block lacks fabio_tags = true.")
	}
	fmt.Fprintf(e.stderr, "Configuration is valid! Tags amount to %d routes, with %d warnings.\n", len(routes), len(warnings))
	return exitOK
}
