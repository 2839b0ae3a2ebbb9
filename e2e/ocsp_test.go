//go:build e2e

package e2e

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// vouched is a gateway whose certificate is vouched for by an OCSP responder of
// openssl's authority, which runs or does not.
type vouched struct {
	*secured
	port    int
	index   []string // what openssl's authority knows of certificates
	openssl string
}

// newVouched writes the files of a gateway's first certificate, number 100. Neither the
// gateway nor the responder runs yet.
func newVouched(t *testing.T) *vouched {
	t.Helper()
	ports, err := process.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	v := &vouched{
		secured: &secured{authority: newAuthority(t), dir: t.TempDir()}, port: ports[0], openssl: harness.Program(t, "openssl", "openssl"),
	}
	write(t, filepath.Join(v.dir, "ca.pem"), v.authority.pem())
	v.sign(t, "signer", &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "signer"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	})
	v.vouch(t, 100, "V")
	v.orders = harness.StartInstance(t, "orders", "orders-1")
	return v
}

// sign writes a certificate, with the authority's behind it, and its key.
func (v *vouched) sign(t *testing.T, name string, template *x509.Certificate) {
	t.Helper()
	key := newKey(t)
	template.NotBefore, template.NotAfter, template.KeyUsage = time.Now().Add(-time.Hour), time.Now().Add(time.Hour), x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, v.authority.cert, key.Public(), v.authority.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(v.dir, name+".pem"), append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), v.authority.pem()...))
	write(t, filepath.Join(v.dir, name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// indexTime is how openssl's authority notes when something is.
const indexTime = "060102150405Z"

// vouch writes the gateway's certificate with that serial number, which openssl's
// authority has as valid (V) or revoked (R).
func (v *vouched) vouch(t *testing.T, serial int64, state string) {
	t.Helper()
	v.sign(t, "tls", &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "secure.test"}, DNSNames: []string{"secure.test"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, OCSPServer: []string{fmt.Sprintf("http://127.0.0.1:%d/", v.port)},
	})
	revoked := ""
	if state == "R" {
		revoked = time.Now().UTC().Add(-time.Minute).Format(indexTime)
	}
	v.index = append(v.index, indexLine(state, time.Now().Add(time.Hour), revoked, big.NewInt(serial)))
	write(t, filepath.Join(v.dir, "index.txt"), []byte(strings.Join(v.index, "")))
}

// indexLine is what openssl's authority notes of a certificate.
func indexLine(state string, end time.Time, revoked string, serial *big.Int) string {
	number := fmt.Sprintf("%X", serial)
	if len(number)%2 == 1 {
		number = "0" + number
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\tunknown\t/CN=%d\n", state, end.UTC().Format(indexTime), revoked, number, serial)
}

// respond answers by openssl's authority, which vouches for an hour each time, until
// the server or the test ends. A responder of openssl's own would listen on all
// addresses of the machine.
func (v *vouched) respond(t *testing.T) *httptest.Server {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", v.port))
	if err != nil {
		t.Fatal(err)
	}
	log := &harness.Log{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		response, err := v.answer(r)
		if err != nil { // such as an index in the middle of being written
			fmt.Fprintln(log, err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/ocsp-response")
		_, _ = w.Write(response) // whoever asked may be gone
	}))
	s.Listener.Close()
	s.Listener = ln
	s.Start()
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("openssl ocsp says:\n%s", log)
		}
	})
	return s
}

// answer has openssl answer a request (RFC 6960 appendix A).
func (v *vouched) answer(r *http.Request) ([]byte, error) {
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(v.dir, "answer")
	if err != nil {
		return nil, err
	}
	asked, answered := filepath.Join(dir, "request.der"), filepath.Join(dir, "response.der")
	if err := os.WriteFile(asked, request, 0o600); err != nil {
		return nil, err
	}
	file := func(name string) string { return filepath.Join(v.dir, name) }
	text, err := exec.CommandContext(r.Context(), v.openssl, "ocsp", "-index", file("index.txt"), "-CA", file("ca.pem"),
		"-rsigner", file("signer.pem"), "-rkey", file("signer.key"), "-nmin", "60", "-reqin", asked, "-respout", answered).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("openssl ocsp: %w: %s", err, text)
	}
	return os.ReadFile(answered)
}

// start runs the gateway.
func (v *vouched) start(t *testing.T, tlsBlock string) {
	t.Helper()
	v.Gateway = harness.StartGateway(t, harness.Options{
		Listener: fmt.Sprintf("http3 = true\nidle_timeout = \"10m\"\ntls {\ncertificate {\ncert_file = %q\nkey_file = %q\n}\n%s\n}\n",
			filepath.Join(v.dir, "tls.pem"), filepath.Join(v.dir, "tls.key"), tlsBlock),
		Config:   fmt.Sprintf("data_dir = %q\n", filepath.Join(v.dir, "data")) + staticService("orders", v.orders.Host, v.orders.Port),
		Policies: ordersRoute,
	})
}

// asks returns what openssl's client prints, which asks for a staple.
func (v *vouched) asks(t *testing.T, more ...string) (string, error) {
	t.Helper()
	args := []string{"s_client", "-status", "-connect", v.Public, "-servername", "secure.test", "-verify_return_error", "-CAfile", filepath.Join(v.dir, "ca.pem")}
	text, err := exec.CommandContext(t.Context(), v.openssl, append(args, more...)...).CombinedOutput()
	return string(text), err
}

// stapled checks that a handshake carries a staple for that certificate.
func (v *vouched) stapled(t *testing.T, serial int64) func() error {
	return func() error {
		text, err := v.asks(t)
		if err == nil && (!strings.Contains(text, "OCSP Response Status: successful") || !strings.Contains(text, "Cert Status: good") ||
			!strings.Contains(text, fmt.Sprintf("Serial Number: %02X\n", serial))) {
			err = fmt.Errorf("no staple of %d: %s", serial, text)
		}
		return err
	}
}

// bare checks that a handshake succeeds without a staple.
func (v *vouched) bare(t *testing.T) error {
	text, err := v.asks(t)
	if err == nil && !strings.Contains(text, "OCSP response: no response sent") {
		err = fmt.Errorf("a staple, or none that is told of: %s", text)
	}
	return err
}

// A staple comes when the responder does, is one that openssl verifies, whatever the
// protocol, and outlives both the responder and the gateway.
func TestOCSPStapling(t *testing.T) {
	t.Parallel()
	v := newVouched(t)
	v.start(t, "")
	if err := v.bare(t); err != nil {
		t.Errorf("with the responder down: %v", err)
	}
	harness.Within(t, harness.Patience, "a warning", func() error {
		if !v.Log.Contains("shown without an OCSP staple") || !v.Log.Contains("refused") {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	if n := v.Metric(t, "lictor_certificate_staple_expiry_seconds", "listener=public", "name=secure.test"); n != 0 {
		t.Errorf("without a staple, it ends in %v s", n)
	}

	responder := v.respond(t)
	harness.Within(t, 3*harness.Patience, "a staple", v.stapled(t, 100))
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		if text, err := v.asks(t, version); err != nil || !strings.Contains(text, "Cert Status: good") {
			t.Errorf("%s: %v, %s", version, err, text)
		}
	}
	for protocol, client := range map[string]*http.Client{
		"HTTP/1.1": v.client(t, false, v.config(), ""), "HTTP/2.0": v.client(t, true, v.config(), ""), "HTTP/3.0": v.overQUIC(t, v.config()),
	} {
		_, response, err := ask(client, "https://"+v.Public+"/orders")
		if err != nil || response.Proto != protocol {
			t.Errorf("%s: %v", protocol, err)
			continue
		}
		v.verifies(t, response.TLS.OCSPResponse)
	}
	if n := v.Metric(t, "lictor_certificate_staple_expiry_seconds", "listener=public", "name=secure.test"); n <= 0 || n > 3600 {
		t.Errorf("the staple ends in %v s", n)
	}
	v.tells(t, "good")
	if r := v.Run("certificates"); r.Code != 0 || !strings.Contains(r.Stdout, "good until 20") {
		t.Errorf("%+v", r)
	}

	responder.Close()
	if code := v.Stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	v.start(t, "")
	if err := v.stapled(t, 100)(); err != nil {
		t.Errorf("after a restart, with the responder down: %v", err)
	}
	private(t, filepath.Join(v.dir, "data"), ".der")
	v.Stop()
	v.start(t, "ocsp_stapling = false")
	if err := v.bare(t); err != nil {
		t.Errorf("with ocsp_stapling = false: %v", err)
	}
}

// verifies has openssl look at a response.
func (v *vouched) verifies(t *testing.T, response []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "response.der")
	write(t, file, response)
	ca, cert := filepath.Join(v.dir, "ca.pem"), filepath.Join(v.dir, "tls.pem")
	text, err := exec.CommandContext(t.Context(), v.openssl, "ocsp", "-respin", file, "-issuer", ca, "-cert", cert, "-CAfile", ca, "-no_nonce").CombinedOutput()
	if err != nil || !strings.Contains(string(text), "Response verify OK") || !strings.Contains(string(text), ": good") {
		t.Errorf("openssl says of the staple: %v, %s", err, text)
	}
}

// tells checks what the admin API says of the certificate.
func (v *vouched) tells(t *testing.T, want string) {
	t.Helper()
	var all struct {
		Certificates []struct {
			OCSP struct {
				Status, Responder string
			}
		}
	}
	status, body, err := v.AdminGet("/v1/certificates")
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &all) != nil {
		t.Fatalf("%d %v %s", status, err, body)
	}
	if c := all.Certificates; len(c) != 1 || c[0].OCSP.Status != want || c[0].OCSP.Responder != fmt.Sprintf("http://127.0.0.1:%d/", v.port) {
		t.Errorf("got %s, want %q", body, want)
	}
}

// Another certificate gets its own staple, and no connection ends for it; one that is
// revoked gets none, and is told of.
func TestOCSPRotation(t *testing.T) {
	t.Parallel()
	v := newVouched(t)
	v.vouch(t, 101, "V")
	v.respond(t)
	v.start(t, "")
	harness.Within(t, 3*harness.Patience, "a staple", v.stapled(t, 101))
	kept := v.client(t, false, v.config(), "") // of one connection
	if _, _, err := ask(kept, "https://"+v.Public+"/orders"); err != nil {
		t.Fatal(err)
	}

	v.vouch(t, 102, "V")
	harness.Within(t, 3*harness.Patience, "a staple of the new certificate", v.stapled(t, 102))
	v.vouch(t, 103, "R")
	v.Reload()
	harness.Within(t, 3*harness.Patience, "an error", func() error {
		if !v.Log.Contains("[ERROR] ") || !v.Log.Contains("certificate is REVOKED") {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	if err := v.bare(t); err != nil {
		t.Errorf("of a revoked certificate: %v", err)
	}
	if err := v.shows(103)(); err != nil {
		t.Error(err)
	}
	if n := v.Metric(t, "lictor_certificate_revoked", "listener=public", "name=secure.test"); n != 1 {
		t.Errorf("lictor_certificate_revoked is %v", n)
	}
	v.tells(t, "revoked")

	_, response, err := ask(kept, "https://"+v.Public+"/orders")
	if err != nil || response.TLS.PeerCertificates[0].SerialNumber.Int64() != 101 {
		t.Errorf("the connection from before: %v", err)
	}
	// A response is logged before it is kept, by a file of another name at first.
	harness.Within(t, harness.Patience, "responses are kept, and nothing else", func() error {
		files, err := os.ReadDir(filepath.Join(v.dir, "data", "ocsp"))
		if err == nil && slices.ContainsFunc(files, func(f os.DirEntry) bool { return !strings.HasSuffix(f.Name(), ".der") }) {
			err = fmt.Errorf("there are %v", files)
		}
		return err
	})
}

// A certificate by ACME is stapled as well. Here its issuer, which is not the root, is
// itself the responder, and sends its certificate along.
func TestOCSPOfACME(t *testing.T) {
	t.Parallel()
	free, err := process.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	v := &vouched{secured: &secured{dir: t.TempDir()}, port: free[0], openssl: harness.Program(t, "openssl", "openssl")}
	ports := newEdgePorts(t)
	p := harness.NewPebble(t, harness.PebbleOptions{HTTPPort: ports.clear, TLSPort: ports.secure, Responder: fmt.Sprintf("http://127.0.0.1:%d/", v.port)})
	p.Start()
	roots := p.Roots()
	o := edgeOptions{ports: ports, dataDir: filepath.Join(v.dir, "data"), acme: "domains = [\"shop.test\"]"}
	e := startEdge(t, p, o)
	cert := e.gets(t, "shop.test", roots)
	issuer, key := p.Issuer()
	for name, text := range map[string][]byte{
		"ca.pem": issuer, "signer.pem": issuer, "signer.key": key,
		"index.txt": []byte(indexLine("V", cert.NotAfter, "", cert.SerialNumber)),
	} {
		write(t, filepath.Join(v.dir, name), text)
	}
	stapled := func() error {
		c, err := tls.Dial("tcp", e.secure, &tls.Config{RootCAs: roots, ServerName: "shop.test", MinVersion: tls.VersionTLS12})
		if err != nil {
			return err
		}
		defer c.Close()
		r, err := ocsp.ParseResponseForCert(c.ConnectionState().OCSPResponse, cert, nil)
		if err == nil && r.Status != ocsp.Good {
			err = fmt.Errorf("its status is %d", r.Status)
		}
		return err
	}
	if stapled() == nil {
		t.Error("there is a staple before there is a responder")
	}
	responder := v.respond(t)
	harness.Within(t, 3*harness.Patience, "a staple", stapled)
	responder.Close()
	p.Kill()
	e.Stop()
	e = startEdge(t, p, o)
	if err := stapled(); err != nil {
		t.Errorf("after a restart, with the responder down: %v", err)
	}
}
