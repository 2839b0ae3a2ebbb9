//go:build e2e

package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// clearAndSecure is a second listener beside the one in clear, as secure.test.
func clearAndSecure(t *testing.T, a *authority, tlsBlock string) (config string, ports edgePorts) {
	t.Helper()
	dir := t.TempDir()
	cert, key := a.issue(1, "secure.test")
	write(t, filepath.Join(dir, "tls.pem"), cert)
	write(t, filepath.Join(dir, "tls.key"), key)
	write(t, filepath.Join(dir, "ca.pem"), a.pem())
	ports = newEdgePorts(t)
	return fmt.Sprintf("listener \"clear\" {\naddress = \"127.0.0.1:%d\"\nredirect_to_https = true\nredirect_port = %d\n}\n"+
		"listener \"secure\" {\naddress = \"127.0.0.1:%d\"\nhsts = \"max-age=60\"\ntls {\ncertificate {\ncert_file = %q\nkey_file = %q\n}\nclient_ca_file = %q\n%s\n}\n}\n",
		ports.clear, ports.secure, ports.secure, filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.pem"), tlsBlock), ports
}

// A client that comes in clear gets to the same place by TLS, and no further: a host
// that is none, or that no route knows, does not come back.
func TestRedirectToTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	config, ports := clearAndSecure(t, a, `client_auth = "optional"`)
	orders := harness.StartInstance(t, "orders", "orders-1")
	harness.StartGateway(t, harness.Options{
		Config:   config + staticService("orders", orders.Host, orders.Port),
		Policies: "route \"orders\" {\n  hosts = [\"localhost\"]\n  path_prefix = \"/orders\"\n  service = \"orders\"\n}\n",
	})
	client := (&secured{}).client(t, false, &tls.Config{RootCAs: a.pool, ServerName: "secure.test", MinVersion: tls.VersionTLS12}, "")
	echo, response, err := ask(client, fmt.Sprintf("http://localhost:%d/orders/7?a=%%2Fb", ports.clear))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("https://localhost:%d/orders/7?a=%%2Fb", ports.secure); response.Request.URL.String() != want || echo.RequestURI != "/orders/7?a=%2Fb" {
		t.Errorf("it ended at %s with %s", response.Request.URL, echo.RequestURI)
	}
	if got := response.Header.Get("Strict-Transport-Security"); got != "max-age=60" {
		t.Errorf("Strict-Transport-Security: %q", got)
	}

	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for host, want := range map[string]int{"localhost": 308, "LOCALHOST:1": 308, "evil.test": 404, "localhost.evil.test": 404} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/orders", ports.clear), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if location := response.Header.Get("Location"); response.StatusCode != want || want == 404 && location != "" {
			t.Errorf("%s: %s to %q, want %d", host, response.Status, location, want)
		}
	}
}

// An instance is told who has shown a certificate, by either version of HTTP, and
// nothing by those who have not.
func TestClientCertificateFields(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	config, ports := clearAndSecure(t, a, `client_auth = "optional"`)
	orders := harness.StartInstance(t, "orders", "orders-1")
	harness.StartGateway(t, harness.Options{
		Config: config + staticService("orders", orders.Host, orders.Port),
		Policies: "route \"orders\" {\n  service = \"orders\"\n  request_headers {\n    set = { \"X-Client\" = \"{client.cert.subject} {client.cert.san_dns} {client.cert.serial}\"," +
			" \"X-Client-Name\" = \"{client.cert.san_dns}\", \"Client-Cert\" = \"{client.cert.der}\" }\n  }\n}\n",
	})
	cert, key := a.issue(0xabc, "ada.test")
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, http2 := range []bool{false, true} {
		for _, shows := range []bool{false, true} {
			config := &tls.Config{RootCAs: a.pool, ServerName: "secure.test", MinVersion: tls.VersionTLS12}
			if shows {
				config.Certificates = []tls.Certificate{pair}
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/orders", ports.secure), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"X-Client-Name", "Client-Cert", "Client-Cert-Chain"} {
				request.Header.Set(name, "forged")
			}
			echo, err := sent((&secured{}).client(t, http2, config, ""), request)
			if err != nil {
				t.Fatal(err)
			}
			name, field := echo.Header.Get("X-Client-Name"), echo.Header.Get("Client-Cert")
			if !shows && (name != "" || field != "") {
				t.Errorf("HTTP/2 %t, without a certificate: %q, %q", http2, name, field)
			}
			if shows && (echo.Header.Get("X-Client") != "CN=ada.test ada.test abc" || name != "ada.test" || len(field) < 100) {
				t.Errorf("HTTP/2 %t: %q", http2, echo.Header)
			}
			if echo.Header.Get("Client-Cert-Chain") != "" {
				t.Errorf("HTTP/2 %t: a forged chain came through", http2)
			}
		}
	}
}

func sent(client *http.Client, request *http.Request) (harness.Echo, error) {
	response, err := client.Do(request)
	if err != nil {
		return harness.Echo{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return harness.Echo{}, fmt.Errorf("%s %q: %w", response.Status, body, err)
	}
	return harness.ParseEcho(body)
}
