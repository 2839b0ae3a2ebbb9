package config

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Defaults of a static service's check.
const (
	defaultCheckInterval  = 5 * time.Second
	defaultCheckTimeout   = time.Second
	defaultHealthyAfter   = 2
	defaultUnhealthyAfter = 3
)

type serviceBlock struct {
	Instances []instanceBlock `hcl:"instance,block"`
	Check     *checkBlock     `hcl:"check,block"`
}

type instanceBlock struct {
	Address *hcl.Attribute `hcl:"address,optional"`
	Port    *hcl.Attribute `hcl:"port,optional"`
	Weight  *hcl.Attribute `hcl:"weight,optional"`

	Range hcl.Range `hcl:",def_range"`
}

type checkBlock struct {
	HTTP           *hcl.Attribute `hcl:"http,optional"`
	TCP            *hcl.Attribute `hcl:"tcp,optional"`
	Interval       *hcl.Attribute `hcl:"interval,optional"`
	Timeout        *hcl.Attribute `hcl:"timeout,optional"`
	HealthyAfter   *hcl.Attribute `hcl:"healthy_after,optional"`
	UnhealthyAfter *hcl.Attribute `hcl:"unhealthy_after,optional"`
	Status         *hcl.Attribute `hcl:"status,optional"`

	Range hcl.Range `hcl:",def_range"`
}

func (r *reader) services(blocks []*hcl.Block) []Service {
	var out []Service
	named := map[string]hcl.Range{}
	for _, b := range blocks {
		var in serviceBlock
		r.decode(b, &in)
		s := Service{Name: b.Labels[0]}
		r.name("service", s.Name, b.LabelRanges[0], named)
		if len(in.Instances) == 0 {
			r.Errorf(b.DefRange, "Missing instance block", "A static service needs at least one instance block.")
		}
		seen := map[Instance]hcl.Range{}
		for _, i := range in.Instances {
			inst := r.instance(&i)
			key := Instance{Address: inst.Address, Port: inst.Port}
			if first, dup := seen[key]; dup {
				r.Errorf(i.Range, "Duplicate instance", "The instance %s:%d was already defined at %s.", inst.Address, inst.Port, first)
			}
			seen[key] = i.Range
			s.Instances = append(s.Instances, inst)
		}
		s.Check = r.check(in.Check)
		out = append(out, s)
	}
	return out
}

func (r *reader) instance(in *instanceBlock) Instance {
	i := Instance{
		Address: r.Required(in.Address, "address", in.Range),
		Weight:  r.integer(in.Weight, 1, 1, 65535),
	}
	if strings.ContainsAny(i.Address, " \t\r\n/[]") || strings.Count(i.Address, ":") == 1 {
		r.Errorf(in.Address.Expr.Range(), "Invalid address", "An IP address or a host name, without port and brackets, is required here.")
	}
	if in.Port == nil {
		r.Errorf(in.Range, "Missing required argument", "The argument %q is required, but no definition was found.", "port")
	}
	i.Port = r.integer(in.Port, 0, 1, 65535)
	return i
}

func (r *reader) check(in *checkBlock) *Check {
	if in == nil {
		return nil
	}
	c := &Check{
		HTTP:           r.Text(in.HTTP, ""),
		TCP:            r.Bool(in.TCP, false),
		Interval:       r.Duration(in.Interval, defaultCheckInterval, 100*time.Millisecond, 0),
		Timeout:        r.Duration(in.Timeout, defaultCheckTimeout, time.Millisecond, 0),
		HealthyAfter:   r.integer(in.HealthyAfter, defaultHealthyAfter, 1, 1000),
		UnhealthyAfter: r.integer(in.UnhealthyAfter, defaultUnhealthyAfter, 1, 1000),
	}
	for _, s := range r.statuses(in.Status, 100, 599) {
		c.Status = append(c.Status, s.code)
	}
	if c.TCP && in.Status != nil {
		r.Errorf(in.Status.Expr.Range(), "Invalid status", "A check by tcp only connects: it sees no status.")
	}
	switch {
	case (c.HTTP != "") == c.TCP:
		r.Errorf(in.Range, "Invalid check", `A check needs exactly one of http = "/path" and tcp = true.`)
	case c.HTTP != "" && !printablePath(c.HTTP):
		r.Errorf(in.HTTP.Expr.Range(), "Invalid http", `A path that begins with "/" is required here.`)
	}
	return c
}

// printablePath reports whether s can stand in a request line as it is.
func printablePath(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return strings.HasPrefix(s, "/")
}
