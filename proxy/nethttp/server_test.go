package nethttp_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
	"github.com/lictor/lictor/proxy/trial/loopback"
)

// TestMain fails when a test has left a goroutine behind.
func TestMain(m *testing.M) {
	os.Exit(loopback.Main(m))
}

func TestTLSOffersHTTP2(t *testing.T) {
	g := startGateway(t, func(_ *proxy.Route, o *nethttp.Options, _ *nethttp.ForwarderOptions) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{loopback.SelfSigned(t)}}
	}, loopback.Instance(t, loopback.Listen(t), func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("Via"))
	}))
	for want, offer := range map[string]func(*http.Protocols){
		"https 1.1 lictor": func(p *http.Protocols) { p.SetHTTP1(true) },
		"https 2.0 lictor": func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) },
	} {
		c := newClient(t, offer)
		c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		if _, body := loopback.Do(t, c, loopback.NewRequest(t, "GET", "https://"+g.Addr+"/", nil)); body != want {
			t.Errorf("the instance saw %q, want %q", body, want)
		}
	}
}
