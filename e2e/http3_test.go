//go:build e2e

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/lictor/lictor/e2e/harness"
)

// overQUIC returns a client of one connection by HTTP/3.
func (s *secured) overQUIC(t *testing.T, config *tls.Config) *http.Client {
	t.Helper()
	transport := &http3.Transport{TLSClientConfig: config}
	t.Cleanup(func() { transport.Close() })
	return &http.Client{Transport: transport, Timeout: harness.Patience}
}

// accessLog returns what the gateway has logged of requests.
func accessLog(t *testing.T, g *harness.Gateway) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.Dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A client learns by HTTP/1.1 and HTTP/2 that there is HTTP/3, and finds the same
// gateway there.
func TestHTTP3(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "http3 = true\nhttp3_max_age = \"1h\"", "")
	_, port, _ := strings.Cut(s.Public, ":")
	url := "https://" + s.Public + "/orders"
	for _, http2 := range []bool{false, true} {
		_, response, err := ask(s.client(t, http2, s.config(), ""), url)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := response.Header.Get("Alt-Svc"), `h3=":`+port+`"; ma=3600`; got != want {
			t.Errorf("%s: Alt-Svc %q instead of %q", response.Proto, got, want)
		}
	}
	client := s.overQUIC(t, s.config())
	echo, response, err := ask(client, url)
	if err != nil {
		t.Fatal(err)
	}
	if response.Proto != "HTTP/3.0" || response.Header.Get("Alt-Svc") != "" {
		t.Errorf("%s, Alt-Svc %q", response.Proto, response.Header.Get("Alt-Svc"))
	}
	for name, want := range map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1", "Via": "3.0 lictor"} {
		if got := echo.Header.Get(name); got != want {
			t.Errorf("%s: %q instead of %q", name, got, want)
		}
	}
	if n := s.Metric(t, "lictor_connections", "listener=public", "state=open"); n < 1 {
		t.Errorf("%v connections are open", n)
	}
	harness.Within(t, harness.Patience, "the request is logged", func() error {
		if text := accessLog(t, s.Gateway); !strings.Contains(text, `"protocol":"HTTP/3.0"`) {
			return fmt.Errorf("not yet: %s", text)
		}
		return nil
	})

	// Neither a reload nor another certificate closes the connection.
	s.show(t, 101)
	s.Reload()
	s.Reload()
	if _, response, err = ask(client, url); err != nil || response.TLS.PeerCertificates[0].SerialNumber.Int64() != 100 {
		t.Errorf("the connection from before: %v", err)
	}
	if _, response, err = ask(s.overQUIC(t, s.config()), url); err != nil || response.TLS.PeerCertificates[0].SerialNumber.Int64() != 101 {
		t.Errorf("a new connection: %v", err)
	}
}

// What is in flight ends, and what comes later does not begin.
func TestHTTP3Drains(t *testing.T) {
	t.Parallel()
	s := newSecured(t, "http3 = true", "")
	release, arrived := make(chan struct{}), make(chan struct{})
	slow := harness.StartInstance(t, "slow", "slow-1")
	slow.HandleAll(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		_, _ = io.WriteString(w, "late")
	})
	config := filepath.Join(s.Dir, "lictor.hcl")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, config, append(text, staticService("slow", slow.Host, slow.Port)...))
	s.WritePolicies("route \"slow\" {\nservice = \"slow\"\n}\n")
	s.Reload()

	client := s.overQUIC(t, s.config())
	answer := make(chan error, 1)
	go func() {
		response, err := client.Get("https://" + s.Public + "/") //nolint:noctx // the client has a timeout
		if err == nil {
			var body []byte
			if body, err = io.ReadAll(response.Body); err == nil && string(body) != "late" {
				err = fmt.Errorf("%s %q", response.Status, body)
			}
			response.Body.Close()
		}
		answer <- err
	}()
	<-arrived
	if err := s.Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Within(t, harness.Patience, "the gateway drains", func() error {
		if !s.Log.Contains("draining") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	<-s.Process().Done()
	if code := s.Process().ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if s.Log.Contains("closed with requests in flight") {
		t.Error("the listener did not drain")
	}
}
