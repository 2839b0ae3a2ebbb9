package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/lictor/lictor/agent"
)

type routesAnswer struct {
	Generation uint64               `json:"generation"`
	Gateway    []string             `json:"gateway_limits"`
	Routes     []agent.RouteInfo    `json:"routes"`
	TCP        []agent.TCPRouteInfo `json:"tcp_routes"`
}

func runRoutes(e env, args []string) int {
	return show(e, "routes", "/v1/routes", args, func(v *routesAnswer) []*grid {
		t := newGrid(keys{0}, "NAME", "METHODS", "HOSTS", "PATH", "SERVICE", "BALANCE", "LIMITS", "REQUESTS", "ERRORS", "FROM")
		for _, r := range v.Routes {
			t.row(r.Name, anyOr(r.Methods), anyOr(r.Hosts), routePath(&r), routeService(&r), r.Balance, noneOr(r.Limits), r.Requests, r.Errors, r.From)
		}
		if len(v.TCP) > 0 {
			return []*grid{t, tcpTable(v.TCP)}
		}
		return []*grid{t}
	})
}

// tcpTable lists the routes for connections.
func tcpTable(all []agent.TCPRouteInfo) *grid {
	t := newGrid(keys{0}, "TCP ROUTE", "LISTENER", "SNI", "SERVICE", "BALANCE", "LIMITS", "OPEN", "ENDED", "ERRORS")
	for _, r := range all {
		t.row(r.Name, r.Listener, anyOr(r.SNI), r.Service, r.Balance, noneOr(r.Limits), r.Open, r.Connections, r.Errors)
	}
	return t
}

// routeService says where a route's requests go, and how they are divided.
func routeService(r *agent.RouteInfo) string {
	if len(r.Split) == 0 {
		return r.Service
	}
	names := make([]string, len(r.Split))
	for i := range r.Split {
		names[i] = r.Split[i].String()
	}
	return strings.Join(names, ", ")
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
	return show(e, "services", "/v1/services", args, func(v *servicesAnswer) []*grid {
		t := newGrid(keys{0, 2}, "SERVICE", "SOURCE", "INSTANCE", "ADDRESS", "WEIGHT", "HEALTH", "STATE", "IN-FLIGHT", "REQUESTS", "FAILURES", "WHY NOT")
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
		if len(v.Failover) > 0 {
			return []*grid{t, failoverTable(v.Failover)}
		}
		return []*grid{t}
	})
}

// failoverTable says which datacenter serves what others may take over.
func failoverTable(all []agent.FailoverInfo) *grid {
	t := newGrid(keys{0}, "SERVICE", "ROUTES", "DATACENTERS", "SERVING", "SWITCHES")
	for _, f := range all {
		t.row(f.Service, strings.Join(f.Routes, ","), strings.Join(f.Datacenters, ","), cmp.Or(f.Serving, "none"), f.Switches)
	}
	return t
}

type limitsAnswer struct {
	Limits []agent.LimitInfo `json:"limits"`
}

func runLimits(e env, args []string) int {
	return show(e, "limits", "/v1/limits", args, func(v *limitsAnswer) []*grid {
		t := newGrid(keys{0}, "NAME", "ALGORITHM", "QUOTA", "WINDOW", "KEY", "SCOPE", "MODE", "USED BY", "KEYS", "ALLOWED", "DELAYED", "DENIED", "WOULD DENY")
		for _, l := range v.Limits {
			by := l.Routes
			if l.Gateway {
				by = append([]string{"(gateway)"}, by...)
			}
			t.row(l.Name, l.Algorithm, l.Quota, window(&l), l.Key, scope(&l), l.Mode, noneOr(by), l.Keys, l.Allowed, l.Delayed, l.Denied, l.WouldDeny)
		}
		return []*grid{t}
	})
}

type certificatesAnswer struct {
	Certificates []agent.CertificateInfo `json:"certificates"`
}

func runCertificates(e env, args []string) int {
	return show(e, "certificates", "/v1/certificates", args, func(v *certificatesAnswer) []*grid {
		t := newGrid(keys{0, 1, 2}, "LISTENER", "NAMES", "FROM", "ENDS", "NEXT TRY", "WHY NOT", "OCSP")
		for _, c := range v.Certificates {
			next := c.RenewAt
			if c.Error != "" {
				next = c.RetryAt
			}
			t.row(c.Listener, noneOr(c.Names), cmp.Or(c.File, c.From), moment(c.NotAfter), moment(next), cmp.Or(c.Error, "-"), stapled(c.OCSP))
		}
		return []*grid{t}
	})
}

// stapled says what a certificate is shown with of its authority's word.
func stapled(o *agent.OCSPInfo) string {
	switch {
	case o == nil:
		return "-"
	case o.Status == "good":
		return "good until " + moment(o.NextUpdate)
	case o.Status == "none" && o.Error != "":
		return "none: " + o.Error
	}
	return o.Status
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
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
