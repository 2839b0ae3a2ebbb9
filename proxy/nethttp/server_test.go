package nethttp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
)

// TestMain fails when a test has left a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaked(); left != "" {
			_, _ = io.WriteString(os.Stderr, "goroutines left behind:\n"+left)
			code = 1
		}
	}
	os.Exit(code)
}

// leaked returns the goroutines that are still busy with HTTP, after some
// patience with those that are about to end.
func leaked() string {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		var left []string
		for s := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if (strings.Contains(s, "net/http") || strings.Contains(s, "lictor")) && !strings.Contains(s, "TestMain") {
				left = append(left, s)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
	}
}

func TestTLSOffersHTTP2(t *testing.T) {
	g := startGateway(t, func(_ *proxy.Route, o *nethttp.Options, _ *nethttp.ForwarderOptions) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	}, startInstance(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("Via"))
	}))
	for want, offer := range map[string]func(*http.Protocols){
		"https 1.1 lictor": func(p *http.Protocols) { p.SetHTTP1(true) },
		"https 2.0 lictor": func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) },
	} {
		c := newClient(t, offer)
		c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		if _, body := do(t, c, newRequest(t, "GET", "https://"+g.addr+"/", nil)); body != want {
			t.Errorf("the instance saw %q, want %q", body, want)
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
