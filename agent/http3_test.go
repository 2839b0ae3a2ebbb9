package agent

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// overHTTP3 is a listener that speaks it.
func overHTTP3(t *testing.T, address string, lines ...string) string {
	t.Helper()
	files, err := filepath.Abs("config/testdata/tls")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("listener \"public\" {\n  address = %q\n  http3 = true\n  %s\n  tls {\n    certificate {\n      cert_file = %q\n      key_file  = %q\n    }\n  }\n}\n",
		address, strings.Join(lines, "\n  "), filepath.Join(files, "good.pem"), filepath.Join(files, "good.key"))
}

// Either engine shares its port with HTTP/3, and tells of it.
func TestHTTP3(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"http1", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			one := says(t, "one")
			g := start(t, overHTTP3(t, "127.0.0.1:0", fmt.Sprintf("engine = %q", engine), "http3_port = 443", `http3_max_age = "90s"`)+
				service("s", one)+route("s", "/", "s")).awaitReady()
			url := "https://" + g.address().String()
			trusting := &tls.Config{InsecureSkipVerify: true}
			quic := &http3.Transport{TLSClientConfig: trusting}
			defer quic.Close()
			tcp := &http.Transport{TLSClientConfig: trusting}
			defer tcp.CloseIdleConnections()
			for _, c := range []struct {
				by     http.RoundTripper
				altSvc string
			}{{tcp, `h3=":443"; ma=90`}, {quic, ""}} {
				resp, err := (&http.Client{Transport: c.by, Timeout: patience}).Get(url) //nolint:noctx // the client has a timeout
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || string(body) != "one" || resp.Header.Get("Alt-Svc") != c.altSvc {
					t.Errorf("%s %s: %q, %v, Alt-Svc %q instead of %q", resp.Proto, resp.Status, body, err, resp.Header.Get("Alt-Svc"), c.altSvc)
				}
			}
		})
	}
}

// A UDP port that somebody else has is an error, and TCP's is given back.
func TestHTTP3OnTakenPort(t *testing.T) {
	t.Parallel()
	undisturbed(t, func() error {
		taken, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer taken.Close()
		address := taken.LocalAddr().String()
		_, err = build(t, overHTTP3(t, address))
		if want := fmt.Sprintf("listener \"public\": opening the UDP port for HTTP/3: listen udp %s: bind: address already in use", address); err == nil || !strings.Contains(err.Error(), want) {
			return fmt.Errorf("New returned %w, want %q in it", err, want)
		}
		return isFree(address)
	})
}

// A failed start gives the UDP port back, too.
func TestHTTP3FailedStart(t *testing.T) {
	t.Parallel()
	undisturbed(t, func() error {
		address := free(t)
		_, err := build(t, overHTTP3(t, address)+adminAt(address))
		if err == nil || !strings.Contains(err.Error(), "admin listener: ") || strings.Contains(err.Error(), "HTTP/3") {
			return fmt.Errorf("with two listeners on one address New returned %w", err)
		}
		l, err := net.ListenPacket("udp", address)
		if err != nil {
			return fmt.Errorf("the port is not free: %w", err)
		}
		return l.Close()
	})
}

// A socket that breaks ends the gateway with an error, as a listener does.
func TestRunEndsWhenASocketBreaks(t *testing.T) {
	t.Parallel()
	g := start(t, overHTTP3(t, "127.0.0.1:0")).awaitReady()
	eventually(t, "HTTP/3 is there", func() bool {
		transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer transport.Close()
		resp, err := (&http.Client{Transport: transport, Timeout: patience}).Get("https://" + g.address().String()) //nolint:noctx // the client has a timeout
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	g.servers[0].socket.Close()
	g.await()
	if g.err == nil || !strings.Contains(g.err.Error(), `listener "public": serving HTTP/3: `) {
		t.Errorf("Run returned %v", g.err)
	}
}
