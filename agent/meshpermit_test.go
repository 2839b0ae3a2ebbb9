package agent

import (
	"net/netip"
	"testing"

	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
)

// Permissions see a request as Envoy would show it to them.
func TestMeshRequest(t *testing.T) {
	x := &proxy.Exchange{Conn: proxy.NewConn(&proxy.Listener{}, netip.MustParseAddrPort("192.0.2.7:40000"), true)}
	q := &x.Request
	q.Method, q.Path, q.Host = []byte("PUT"), []byte("/v1"), []byte("edge:8443")
	q.Fields.Reset(nil)
	for _, line := range [][2]string{{"X-Tier", "gold"}, {"Host", "other"}, {"x-tier", "silver"}, {"Cookie", "a=1"}, {"cookie", "b=2"}, {"Accept", "a"}, {"Accept", "b"}, {"X-Empty", ""}} {
		q.Fields.Foreign(line[0], line[1])
	}
	var r connect.Request = meshRequest{x}
	if string(r.Method()) != "PUT" || string(r.Path()) != "/v1" || string(r.Host()) != "edge:8443" {
		t.Errorf("%s %s %s", r.Method(), r.Path(), r.Host())
	}
	for name, want := range map[string]string{"x-tier": "gold,silver", "COOKIE": "a=1; b=2", "accept": "a,b", "x-empty": ""} {
		if got, ok := r.Field(name); !ok || string(got) != want {
			t.Errorf("%s: %q, %t", name, got, ok)
		}
	}
	if got, ok := r.Field("x-none"); ok {
		t.Errorf("an absent field is %q", got)
	}
}

func TestNormalPaths(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/v1//x": true, "/caf%C3%A9": true, "/a;b=c": true,
		"/caf%c3%a9": false, "/%61": false, "/a/../b": false, "/.": false, "/a%2": false, "/a?b": false, "a": false, "/a b": false,
	} {
		if normal(path) != want {
			t.Errorf("%s: %t", path, !want)
		}
	}
}
