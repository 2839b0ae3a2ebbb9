//go:build e2e

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
)

// mirror answers with what it was sent, as it comes.
func mirror(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex()
	_, _ = io.Copy(w, r.Body)
}

// TestClientsOfHTTP2AndTLS sends bodies there and back by other people's clients: in
// clear by prior knowledge, by TLS with what ALPN finds.
func TestClientsOfHTTP2AndTLS(t *testing.T) {
	t.Parallel()
	p := payloads(t, 1<<20)[0]
	mirrored := fmt.Sprintf("200 %d %s", p.size, p.digest)
	for _, engine := range []string{"http1", "nethttp"} {
		s := newSecured(t, `engine = "`+engine+`"`, "")
		s.orders.Handle("/orders/mirror", mirror)
		orders, plain := newStatic(t, `engine = "`+engine+`"`, ordersRoute)
		orders.Handle("/orders/mirror", mirror)
		ca := filepath.Join(s.dir, "ca.pem")
		_, port, err := net.SplitHostPort(s.Public)
		if err != nil {
			t.Fatal(err)
		}
		name, local := "https://secure.test:"+port+"/orders/mirror", "https://"+s.Public+"/orders/mirror"
		resolve := "secure.test:" + port + ":127.0.0.1"

		curl := func(t *testing.T, args ...string) {
			out := filepath.Join(t.TempDir(), "out")
			lines := run(t, nil, harness.Program(t, "curl", "curl"), append([]string{
				"-sS", "--data-binary", "@" + p.file, "-o", out,
				"-w", `%{http_version} %{http_code}\n`,
			}, args...)...)
			body, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(body)
			if lines[0] != "2 200" || hex.EncodeToString(sum[:]) != p.digest {
				t.Errorf("got %q and %d bytes", lines[0], len(body))
			}
		}
		for client, try := range map[string]func(t *testing.T){
			"curl by prior knowledge": func(t *testing.T) { curl(t, "--http2-prior-knowledge", plain.URL("/orders/mirror")) },
			"curl by TLS":             func(t *testing.T) { curl(t, "--http2", "--cacert", ca, "--resolve", resolve, name) },
			"node by prior knowledge": func(t *testing.T) {
				all(t, run(t, nil, harness.Program(t, "node", "nodejs"), "testdata/client2.mjs", plain.URL("/orders/mirror"), p.file, "50"), 50, mirrored)
			},
			"node by TLS": func(t *testing.T) {
				all(t, run(t, nil, harness.Program(t, "node", "nodejs"), "testdata/client2.mjs", local, p.file, "50", ca, "secure.test"), 50, mirrored)
			},
			"node's fetch": func(t *testing.T) {
				all(t, run(t, nil, harness.Program(t, "node", "nodejs"), "testdata/fetch.mjs", plain.URL("/orders/mirror"), p.file), 1, mirrored)
			},
			"python": func(t *testing.T) {
				lines := run(t, nil, harness.Program(t, "python3", "python3"), "testdata/tls.py", "127.0.0.1", port, "/orders/mirror", p.file, ca, "secure.test")
				if want := []string{"h2", mirrored}; !slices.Equal(lines, want) {
					t.Errorf("got %q, want %q", lines, want)
				}
			},
			"openssl": func(t *testing.T) {
				program := harness.Program(t, "openssl", "openssl")
				for _, offer := range []string{"h2,http/1.1", "http/1.1", "h2"} {
					command := exec.CommandContext(t.Context(), program, "s_client", "-connect", s.Public, "-servername", "secure.test",
						"-verify_return_error", "-CAfile", ca, "-alpn", offer)
					output, err := command.CombinedOutput()
					chosen, _, _ := strings.Cut(offer, ",")
					if err != nil || !strings.Contains(string(output), "ALPN protocol: "+chosen+"\n") || !strings.Contains(string(output), "TLSv1.3") {
						t.Errorf("with %s on offer: %v\n%s", offer, err, output)
					}
				}
			},
		} {
			t.Run(engine+"/"+client, func(t *testing.T) {
				t.Parallel()
				try(t)
			})
		}
	}
}

// all wants so many lines, all the same.
func all(t *testing.T, lines []string, count int, want string) {
	t.Helper()
	if len(lines) != count {
		t.Fatalf("%d answers, want %d", len(lines), count)
	}
	for _, line := range lines {
		if line != want {
			t.Errorf("got %q, want %q", line, want)
		}
	}
}
