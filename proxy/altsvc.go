package proxy

// addAltSvc tells a client that the listener is there by HTTP/3, too, unless the
// instance has named another place. It is about the address that the client has
// spoken to, so a proxy is not told: it would pass on as its own what is ours.
func (x *Exchange) addAltSvc(f *Fields) {
	if x.Conn == nil || x.Conn.Listener.AltSvc == "" {
		return
	}
	if !x.Conn.TLS || x.Conn.Trusted || x.Request.Protocol >= HTTP3 || f.Get(AltSvc) != nil {
		return
	}
	f.AddString(AltSvc, x.Conn.Listener.AltSvc)
}
