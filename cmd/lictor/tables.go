package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/lictor/lictor/agent"
)

type routesAnswer struct {
	Generation uint64            `json:"generation"`
	Gateway    []string          `json:"gateway_limits"`
	Routes     []agent.RouteInfo `json:"routes"`
}

func runRoutes(e env, args []string) int {
	return show(e, "routes", "/v1/routes", args, func(w io.Writer, v *routesAnswer) {
		t := newTable(w, "NAME", "METHODS", "HOSTS", "PATH", "SERVICE", "BALANCE", "LIMITS", "REQUESTS", "ERRORS", "FROM")
		for _, r := range v.Routes {
			t.row(r.Name, anyOr(r.Methods), anyOr(r.Hosts), routePath(&r), r.Service, r.Balance, noneOr(r.Limits), r.Requests, r.Errors, r.From)
		}
		t.end()
	})
}

func routePath(r *agent.RouteInfo) string {
	switch {
	case r.Path != "":
		return "= " + r.Path
	case r.PathRegex != "":
		return "~ " + r.PathRegex
	case r.PathPattern != "":
		return r.PathPattern
	case r.PathPrefix != "":
		return strings.TrimSuffix(r.PathPrefix, "/") + "/..."
	}
	return "any"
}

type servicesAnswer struct {
	Services []agent.ServiceInfo  `json:"services"`
	Failover []agent.FailoverInfo `json:"failover"`
}

func runServices(e env, args []string) int {
	return show(e, "services", "/v1/services", args, func(w io.Writer, v *servicesAnswer) {
		t := newTable(w, "SERVICE", "SOURCE", "INSTANCE", "ADDRESS", "WEIGHT", "HEALTH", "STATE", "IN-FLIGHT", "REQUESTS", "FAILURES", "WHY NOT")
		for _, s := range v.Services {
			switch {
			case !s.Known:
				t.row(s.Name, "-", "-", "-", "-", "-", "unknown", "-", "-", "-", "no answer yet")
			case len(s.Instances) == 0:
				t.row(s.Name, s.Source, "-", "-", "-", "-", "-", "-", "-", "-", "not registered")
			}
			for _, i := range s.Instances {
				t.row(s.Name, s.Source, i.ID, i.Address, i.Weight, i.Health, i.State, i.InFlight, i.Requests, i.Failures, i.Why)
			}
		}
		t.end()
		if len(v.Failover) > 0 {
			fmt.Fprintln(w)
			failoverTable(w, v.Failover)
		}
	})
}

// failoverTable says which datacenter serves what others may take over.
func failoverTable(w io.Writer, all []agent.FailoverInfo) {
	t := newTable(w, "SERVICE", "ROUTES", "DATACENTERS", "SERVING", "SWITCHES")
	for _, f := range all {
		t.row(f.Service, strings.Join(f.Routes, ","), strings.Join(f.Datacenters, ","), cmp.Or(f.Serving, "none"), f.Switches)
	}
	t.end()
}

type limitsAnswer struct {
	Limits []agent.LimitInfo `json:"limits"`
}

func runLimits(e env, args []string) int {
	return show(e, "limits", "/v1/limits", args, func(w io.Writer, v *limitsAnswer) {
		t := newTable(w, "NAME", "ALGORITHM", "QUOTA", "WINDOW", "KEY", "SCOPE", "MODE", "USED BY", "KEYS", "ALLOWED", "DELAYED", "DENIED", "WOULD DENY")
		for _, l := range v.Limits {
			by := l.Routes
			if l.Gateway {
				by = append([]string{"(gateway)"}, by...)
			}
			t.row(l.Name, l.Algorithm, l.Quota, window(&l), l.Key, scope(&l), l.Mode, noneOr(by), l.Keys, l.Allowed, l.Delayed, l.Denied, l.WouldDeny)
		}
		t.end()
	})
}

// window is how long it takes for the quota to come back, or how much of it is in
// flight where only that counts.
func window(l *agent.LimitInfo) string {
	switch {
	case l.InFlight != nil:
		return fmt.Sprintf("%d in flight", *l.InFlight)
	case l.Calendar != "":
		return l.Calendar
	}
	return (time.Duration(l.WindowMS) * time.Millisecond).String()
}

// scope says who counts, and which share a gateway grants by itself.
func scope(l *agent.LimitInfo) string {
	if l.Share != "" {
		return "share " + l.Share
	}
	return l.Scope
}

func anyOr(s []string) string  { return cmp.Or(strings.Join(s, ","), "any") }
func noneOr(s []string) string { return cmp.Or(strings.Join(s, ","), "-") }

// table writes aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...any) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(head...)
	return t
}

func (t table) row(cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, strings.Map(printable, fmt.Sprint(c)))
	}
	fmt.Fprintln(t.w)
}

// printable keeps what a registration in Consul holds from speaking to the
// terminal, and from breaking the columns.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

func (t table) end() { t.w.Flush() } //nolint:errcheck // nothing is left to do about it
