package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/fabio"
	"github.com/lictor/lictor/catalog/consul"
)

// ReadTags asks the Consul of a configuration, once, what the tags of its services
// amount to, whether or not the configuration makes routes of them.
func ReadTags(ctx context.Context, c *config.Config) (fabio.Result, error) {
	if c.Consul == nil {
		return fabio.Result{}, errors.New("asking for tags: the configuration has no consul block")
	}
	in, done, err := Asking(ctx, c.Consul)
	if err != nil {
		return fabio.Result{}, err
	}
	defer done()
	services, err := consul.ReadTagged(ctx, in, fabio.Is, fabio.MaxServices)
	if err != nil {
		return fabio.Result{}, err
	}
	static := map[string]bool{}
	for i := range c.Services {
		static[c.Services[i].Name] = true
	}
	var names []string
	var others []fabio.Warning
	for _, n := range slices.Sorted(maps.Keys(services)) {
		switch {
		case static[n]:
			others = append(others, fabio.Warning{Service: n, Text: "its tags make no routes: a static service of the configuration has that name"})
		case strings.Contains(n, "@"):
			others = append(others, fabio.Warning{Service: n, Text: `its tags make no routes: its name has an "@"`})
		default:
			names = append(names, n)
		}
	}
	r := fabio.Build(FabioServices(services, names), FabioOptions(c.Consul.Datacenter))
	r.Warnings = append(r.Warnings, others...)
	return r, nil
}
