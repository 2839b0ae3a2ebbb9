package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Defaults and bounds of HTTP/3.
const (
	defaultHTTP3MaxAge = 24 * time.Hour // what RFC 7838 section 3.1 says by default
	mostHTTP3MaxAge    = 365 * 24 * time.Hour
)

// listenerHTTP3 reads whether a listener speaks HTTP/3, and how.
func (r *reader) listenerHTTP3(in *listenerBlock, l *Listener) {
	h := &HTTP3{
		Port:      uint16(r.Int(in.HTTP3Port, 0, 1, 1<<16-1)), //nolint:gosec // within the bounds
		MaxAge:    r.Duration(in.HTTP3MaxAge, defaultHTTP3MaxAge, time.Second, mostHTTP3MaxAge).Truncate(time.Second),
		EarlyData: r.Bool(in.EarlyData, false),
	}
	if !r.Bool(in.HTTP3, false) {
		for _, a := range []*hcl.Attribute{in.HTTP3Port, in.HTTP3MaxAge, in.EarlyData} {
			if a != nil {
				r.Errorf(a.Range, "Invalid "+a.Name, "It is about HTTP/3, which this listener does not speak: set http3 = true, too.")
			}
		}
		return
	}
	at := in.HTTP3.Expr.Range()
	switch {
	case l.Mesh:
		r.Errorf(at, "Invalid http3", "Services in the mesh speak to each other by TCP: set it on a listener with a tls block.")
	case l.TLS == nil:
		r.Errorf(at, "Invalid http3", "HTTP/3 is always encrypted: the listener needs a tls block.")
	case l.ProxyProtocol == ProxyRequired:
		r.Errorf(at, "Invalid http3", "No client can be announced by the PROXY protocol over UDP: with proxy_protocol = %q, HTTP/3 could serve nobody.", ProxyRequired)
	}
	l.HTTP3 = h
}

// redactedHTTP3 shows it as it is configured.
func redactedHTTP3(out object, h *HTTP3) {
	out["http3"] = h != nil
	if h == nil {
		return
	}
	out["http3_port"], out["http3_max_age"], out["early_data"] = h.Port, h.MaxAge.String(), h.EarlyData
}
