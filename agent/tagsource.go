package agent

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/fabio"
	"github.com/lictor/lictor/catalog"
)

// FabioOptions says what the gateway can make of tags. The datacenter is what $DC
// stands for in them.
func FabioOptions(datacenter string) fabio.Options {
	o := ConfigOptions()
	return fabio.Options{
		Datacenter: datacenter,
		Step: func(name string) bool {
			return slices.ContainsFunc(o.StepBlocks, func(s config.StepBlock) bool { return s.Type == name })
		},
		Check: func(text string) error {
			_, _, diags := config.LoadPolicies(o, nil, config.Source{Name: "tag", Text: []byte(text), Remote: true, Last: true})
			for _, d := range diags {
				if d.Severity == hcl.DiagError {
					return errors.New(d.Summary + ": " + d.Detail)
				}
			}
			return nil
		},
	}
}

// FabioServices returns what a snapshot says of the services' tags. Proxies and
// gateways of the mesh are left out: they carry the tags of the services they stand
// for, and speak to nobody in clear.
func FabioServices(services map[string]*catalog.Service, names []string) []fabio.Service {
	var out []fabio.Service
	for _, name := range names {
		v := services[name]
		if v == nil {
			continue
		}
		s := fabio.Service{Name: name}
		for i := range v.Instances {
			if in := &v.Instances[i]; in.Kind == "" {
				s.Instances = append(s.Instances, fabio.Instance{Key: in.Key, Tags: in.Tags, Out: !in.Eligible()})
			}
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b fabio.Service) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// balance is another one when instances come, go, or change their health in a way that
// divides requests otherwise; empty where no tag has a weight.
func balance(input []fabio.Service) string {
	if !slices.ContainsFunc(input, func(s fabio.Service) bool {
		return slices.ContainsFunc(s.Instances, func(in fabio.Instance) bool { return slices.ContainsFunc(in.Tags, fabio.Weighs) })
	}) {
		return ""
	}
	var b strings.Builder
	for i := range input {
		up := fabio.Service{Name: input[i].Name}
		for _, in := range input[i].Instances {
			if !in.Out {
				up.Instances = append(up.Instances, in)
			}
		}
		fmt.Fprintf(&b, "%q %d %d\n%s", up.Name, len(input[i].Instances), len(up.Instances), mark(&up))
	}
	return b.String()
}

// mark is another one when the tags of a service may make other routes. It is the
// same when instances come or go that are like others.
func mark(s *fabio.Service) string {
	lists := map[string]int{}
	for _, in := range s.Instances {
		var own []string
		for _, t := range in.Tags {
			if fabio.Is(t) {
				own = append(own, strconv.Quote(t))
			}
		}
		slices.Sort(own)
		lists[strings.Join(own, " ")]++
	}
	var b strings.Builder
	for _, l := range slices.Sorted(maps.Keys(lists)) {
		b.WriteString(l)
		if len(lists) > 1 {
			fmt.Fprintf(&b, " *%d", lists[l])
		}
		b.WriteByte('\n')
	}
	return b.String()
}
