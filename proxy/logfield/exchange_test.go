package logfield_test

import (
	"net/netip"

	"github.com/lictor/lictor/proxy"
)

// exchange is one as the log finds it, with nothing in it.
func exchange() *proxy.Exchange {
	x := new(proxy.Exchange)
	x.Conn = proxy.NewConn(&proxy.Listener{Name: "public"}, netip.MustParseAddrPort("192.0.2.7:40000"), false)
	x.Request.Fields.Reset(nil)
	return x
}
