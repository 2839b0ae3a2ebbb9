package logfield

import (
	"encoding/hex"

	"github.com/lictor/lictor/proxy"
)

// Field returns what a log needs for the field. It allocates nothing for a request.
func (s Spec) Field() proxy.LogField {
	f := proxy.LogField{Name: s.Name}
	switch s.Kind {
	case ClientCert:
		f.Bytes = func(x *proxy.Exchange) []byte { return hex.AppendEncode(x.Space(), x.Conn.ClientCert()) }
	case JWTClaim:
		f.Text = func(x *proxy.Exchange) string {
			if x.Identity == nil {
				return ""
			}
			v, _ := x.Identity.Claim(s.Path)
			return v
		}
	case RequestHeader:
		f.Bytes = func(x *proxy.Exchange) []byte {
			v, _ := x.Request.Fields.Lookup(s.Header)
			return v
		}
	case ResponseHeader:
		f.Response = s.Header
		f.Bytes = func(x *proxy.Exchange) []byte { return x.Noted(s.Header) }
	case Scheme:
		f.Text = func(x *proxy.Exchange) string { return x.Scheme() }
	case Peer:
		f.Bytes = func(x *proxy.Exchange) []byte { return x.Conn.PeerText() }
	case Listener:
		f.Text = func(x *proxy.Exchange) string { return x.Conn.Listener.Name }
	case SentPath:
		f.Bytes = func(x *proxy.Exchange) []byte {
			if x.Endpoint == nil {
				return nil
			}
			return x.Request.Path
		}
	}
	return f
}
