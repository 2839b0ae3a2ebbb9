package agent

import (
	"crypto/x509"

	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/router"
)

// permits has the requests of a listener in the mesh judged by the permissions of
// intentions.
func permits(s *connect.Server) func(*x509.Certificate) proxy.Permit {
	return func(cert *x509.Certificate) proxy.Permit { return meshPermit{s.Client(cert)} }
}

// meshPermit judges the requests of one client.
type meshPermit struct{ client *connect.Client }

// Permits implements proxy.Permit.
func (p meshPermit) Permits(x *proxy.Exchange) error { return p.client.Judge(meshRequest{x}) }

// meshRequest is a request as permissions see it. It holds nothing else, so that
// it costs no memory to look at one.
type meshRequest struct{ x *proxy.Exchange }

// Method implements connect.Request.
func (r meshRequest) Method() []byte { return r.x.Request.Method }

// Path implements connect.Request.
func (r meshRequest) Path() []byte { return r.x.Request.Path }

// Host implements connect.Request.
func (r meshRequest) Host() []byte { return r.x.Request.Host }

// Field implements connect.Request.
func (r meshRequest) Field(name string) ([]byte, bool) { return r.x.Request.Fields.LookupBy(name, ",") }

// normal reports whether a path is spelt as those of requests are, whatever its
// listener says of slashes.
func normal(path string) bool {
	got, err := router.Normalize(nil, []byte(path), router.PathOptions{})
	return err == nil && string(got) == path
}

// warnings say what of the intentions can't be judged, and so denies.
func (m *mesh) warnings() []string {
	if m == nil || m.intentions == nil {
		return nil
	}
	return m.intentions.Doubts()
}
