package static

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spec is one configured service.
type Spec struct {
	Name      string
	Instances []Instance
	// Check says how to ping the instances; nil means that they are passing.
	Check *Check
}

// Instance is one configured instance.
type Instance struct {
	// Address is an IP address without brackets, or a host name, which is
	// resolved at each connection.
	Address string
	Port    int
	Weight  int // 0 means 1
	Tags    []string
	Meta    map[string]string
}

// Check says how an instance is pinged. Exactly one of HTTP and TCP is set.
type Check struct {
	// HTTP is the path, with a query if need be, of a GET request. Redirects
	// are not followed.
	HTTP string
	// TCP asks only for a connection.
	TCP bool
	// Host is the Host field of the GET request; empty means the instance's
	// address and port.
	Host string
	// Status lists the status codes that count as a success; empty means any
	// of 200 to 299.
	Status []int

	Interval time.Duration // between the starts of two pings, 0 means 5 s
	Timeout  time.Duration // of one ping, 0 means 1 s
	// HealthyAfter and UnhealthyAfter are how many results in a row turn a
	// critical instance passing and a passing one critical; 0 means 2 and 3.
	// The very first result decides by itself.
	HealthyAfter   int
	UnhealthyAfter int
}

// minInterval keeps a slip of the pen from becoming a flood.
const minInterval = 100 * time.Millisecond

// withDefaults returns the check with its zero values filled in.
func (c Check) withDefaults() Check {
	c.Interval = cmp.Or(c.Interval, 5*time.Second)
	c.Timeout = cmp.Or(c.Timeout, time.Second)
	c.HealthyAfter = cmp.Or(c.HealthyAfter, 2)
	c.UnhealthyAfter = cmp.Or(c.UnhealthyAfter, 3)
	return c
}

// equal reports whether two checks ping alike; nil is no check.
func (c *Check) equal(o *Check) bool {
	if c == nil || o == nil {
		return c == o
	}
	return c.HTTP == o.HTTP && c.TCP == o.TCP && c.Host == o.Host && slices.Equal(c.Status, o.Status) &&
		c.Interval == o.Interval && c.Timeout == o.Timeout &&
		c.HealthyAfter == o.HealthyAfter && c.UnhealthyAfter == o.UnhealthyAfter
}

// Validate returns everything that is wrong with the spec, nil when nothing is.
// Whether an address may be dialled is no matter of form and is shown as the
// instance's ineligibility instead.
func (s Spec) Validate() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("service %q: "+format, append([]any{s.Name}, args...)...))
	}
	if s.Name == "" {
		fail("it has no name")
	}
	seen := make(map[string]bool, len(s.Instances))
	for i, in := range s.Instances {
		switch {
		case in.Address == "":
			fail("instance %d has no address", i+1)
		case in.Port < 1 || in.Port > 65535:
			fail("port %d of %s is not between 1 and 65535", in.Port, in.Address)
		case in.Weight < 0 || in.Weight > 65535:
			fail("weight %d of %s is not between 1 and 65535", in.Weight, in.key())
		case seen[in.key()]:
			fail("%s is listed twice", in.key())
		}
		seen[in.key()] = true
	}
	if s.Check != nil {
		for _, err := range s.Check.validate() {
			fail("%w", err)
		}
	}
	return errors.Join(errs...)
}

func (c Check) validate() []error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("check: "+format, args...)) }
	switch {
	case c.HTTP == "" && !c.TCP:
		fail("neither http nor tcp is set")
	case c.HTTP != "" && c.TCP:
		fail("http and tcp exclude each other")
	case c.HTTP != "" && !strings.HasPrefix(c.HTTP, "/"):
		fail("the path %q does not begin with /", c.HTTP)
	case strings.ContainsFunc(c.HTTP, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }):
		fail("the path %q holds a character that no request target can", c.HTTP)
	}
	for _, code := range c.Status {
		if code < 100 || code > 599 {
			fail("status %d is not between 100 and 599", code)
		}
	}
	if c.Interval < 0 || c.Interval > 0 && c.Interval < minInterval {
		fail("interval %v is below %v", c.Interval, minInterval)
	}
	if c.Timeout < 0 {
		fail("timeout %v is negative", c.Timeout)
	}
	if c.HealthyAfter < 0 || c.UnhealthyAfter < 0 {
		fail("healthy_after and unhealthy_after must be at least 1")
	}
	return errs
}

// key names the instance within its service.
func (i Instance) key() string { return net.JoinHostPort(i.Address, strconv.Itoa(i.Port)) }

// clone returns a spec that shares nothing with s.
func (s Spec) clone() Spec {
	s.Instances = slices.Clone(s.Instances)
	for i := range s.Instances {
		in := &s.Instances[i]
		in.Weight = cmp.Or(in.Weight, 1)
		in.Tags, in.Meta = slices.Clone(in.Tags), maps.Clone(in.Meta)
	}
	slices.SortFunc(s.Instances, func(a, b Instance) int { return cmp.Compare(a.key(), b.key()) })
	if s.Check != nil {
		c := s.Check.withDefaults()
		c.Status = slices.Clone(c.Status)
		s.Check = &c
	}
	return s
}
