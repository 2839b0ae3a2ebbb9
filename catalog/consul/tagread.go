package consul

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lictor/lictor/catalog"
)

// ReadTagged asks once for the services of which an instance carries a tag that
// matches, at most so many of them in the alphabet. Whether their instances are
// eligible is not said.
func ReadTagged(ctx context.Context, cfg Config, match func(tag string) bool, most int) (map[string]*catalog.Service, error) {
	con, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	all, meta, err := con.api.Catalog().Services(con.options(ctx, 0, 0))
	if err != nil {
		return nil, fmt.Errorf("asking Consul for its services: %w", err)
	}
	if len(all) == 0 && meta.ResultsFilteredByACLs {
		return nil, errors.New(`asking Consul for its services: the token may see none of them: its policy needs service_prefix "" { policy = "read" } and node_prefix "" { policy = "read" }`)
	}
	var names []string
	for name, tags := range all {
		if slices.ContainsFunc(tags, match) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	out := make(map[string]*catalog.Service, len(names))
	for _, name := range names[:min(len(names), most)] {
		a, err := con.service(ctx, name, 0, 0)
		if err != nil {
			return nil, fmt.Errorf("asking Consul for the service %q: %w", name, err)
		}
		out[name] = &catalog.Service{Name: name, Index: a.index, Instances: rules{}.instances(a.entries)}
	}
	return out, nil
}
