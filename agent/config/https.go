package config

import (
	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy/hsts"
)

const defaultRedirectPort uint16 = 443

// listenerHTTPS reads how a listener brings clients to TLS, and keeps them there.
func (r *reader) listenerHTTPS(in *listenerBlock, l *Listener) {
	port := uint16(r.Int(in.RedirectPort, int64(defaultRedirectPort), 1, 1<<16-1)) //nolint:gosec // within the bounds
	if r.Bool(in.RedirectToHTTPS, false) {
		l.RedirectPort = port
		if l.TLS != nil || l.Mesh {
			r.Errorf(in.RedirectToHTTPS.Expr.Range(), "Invalid redirect_to_https", "The clients of this listener speak TLS already: set it on the one in clear.")
		}
	}
	l.HSTS = r.Text(in.HSTS, "")
	if l.HSTS == "" {
		return
	}
	at := in.HSTS.Expr.Range()
	if err := hsts.Check(l.HSTS); err != nil {
		r.Errorf(at, "Invalid hsts", "%s", attr.Sentence(err))
	} else if l.TLS == nil && len(l.TrustedProxies) == 0 {
		r.Errorf(at, "Invalid hsts", "Browsers believe Strict-Transport-Security by TLS alone: the listener needs a tls block, or trusted_proxies that speak it.")
	}
}
