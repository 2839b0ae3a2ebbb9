package agent

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/lictor/lictor/agent/ui"
)

// guard keeps web pages and strangers away from the admin API. A browser on the
// operator's machine can be made to send requests to any loopback address: under
// a name that an attacker's DNS points here (so the Host is checked), or from
// another site's page (so the origin is).
type guard struct {
	token *adminToken // nil: none is asked for
	hosts []string    // names that a Host may carry, besides IP literals and localhost
	ui    *ui.Handler
}

func (g *guard) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case !g.hostAllowed(r.Host):
			writeProblem(w, http.StatusForbidden, "host-not-allowed", "The Host is neither an IP address nor listed in admin.hosts")
		case crossSite(r):
			writeProblem(w, http.StatusForbidden, "cross-site", "Requests from another site's page are refused")
		case g.ui != nil && strings.HasPrefix(r.URL.Path, ui.Prefix):
			g.ui.ServeHTTP(w, r) // which has people sign in
		case g.ui != nil && r.Method == http.MethodGet && (r.URL.Path == "/" || r.URL.Path+"/" == ui.Prefix):
			http.Redirect(w, r, ui.Prefix, http.StatusSeeOther)
		case g.token == nil:
			next.ServeHTTP(w, r)
		case r.Header.Get("Authorization") == "":
			w.Header().Set("WWW-Authenticate", `Bearer realm="lictor"`)
			writeProblem(w, http.StatusUnauthorized, "token-missing", "A bearer token is required")
		case !g.authorized(r):
			w.Header().Set("WWW-Authenticate", `Bearer realm="lictor", error="invalid_token"`)
			writeProblem(w, http.StatusUnauthorized, "token-invalid", "The bearer token is not the gateway's")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (g *guard) hostAllowed(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	} else if inner, ok := strings.CutPrefix(host, "["); ok { // an IPv6 address without a port
		name = strings.TrimSuffix(inner, "]")
	}
	name = strings.TrimSuffix(name, ".")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name != "" && slices.ContainsFunc(g.hosts, func(h string) bool {
		return strings.EqualFold(strings.TrimSuffix(h, "."), name)
	})
}

// crossSite reports whether a browser says that another origin's page made the
// request (Fetch Metadata, RFC 6454). Another port of this machine is another
// origin too.
func crossSite(r *http.Request) bool {
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return true
		}
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	return false
}

// authorized reports whether a request shows the token that is in force.
func (g *guard) authorized(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	return g.token.is(strings.TrimSpace(given))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		writeProblem(w, http.StatusInternalServerError, "internal", "The answer can't be written as JSON")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client has gone
}

func writeProblem(w http.ResponseWriter, status int, name, title string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "urn:lictor:problem:" + name, "title": title, "status": status}) // the client has gone
}

// orEmpty makes a nil list an empty one, which JSON shows as [] and not null.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
