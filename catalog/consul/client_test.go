package consul

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

func TestClientOverTheWire(t *testing.T) {
	f := newFake()
	f.set("web", entry("web1", api.HealthPassing))
	plain := httptest.NewServer(f)
	t.Cleanup(plain.Close)
	secure := httptest.NewTLSServer(f)
	t.Cleanup(secure.Close)
	dir, err := os.MkdirTemp("/tmp", "lictor") // a socket's path may be no longer than a hundred bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "consul.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	unix := &httptest.Server{Listener: l, Config: &http.Server{Handler: f, ReadHeaderTimeout: time.Minute}}
	unix.Start()
	t.Cleanup(unix.Close)

	trust := api.DefaultConfig()
	trust.TLSConfig.InsecureSkipVerify = true
	for _, c := range []struct {
		name  string
		cfg   Config
		plain bool
	}{
		{"host and port", Config{Address: strings.TrimPrefix(plain.URL, "http://")}, true},
		{"URL", Config{Address: plain.URL}, true},
		{"TLS", Config{Address: secure.URL, API: trust}, false},
		{"Unix socket", Config{Address: "unix://" + socket}, true},
	} {
		c.cfg.Logger, c.cfg.Token = hclog.NewNullLogger(), "secret-"+c.name
		con, err := newClient(&c.cfg)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got, err := con.service(t.Context(), "web", 0, 0)
		if err != nil || len(got.entries) != 1 || !got.knownLeader || got.index != 11 {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
		if con.plain != c.plain {
			t.Errorf("%s: plain is %v", c.name, con.plain)
		}
		if list := f.requests("/v1/health/"); list[len(list)-1].token != "secret-"+c.name {
			t.Errorf("%s: token %q", c.name, list[len(list)-1].token)
		}
	}
}

func TestEnvironmentIsTheDefault(t *testing.T) {
	f := newFake()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	t.Setenv("CONSUL_HTTP_ADDR", srv.URL)
	t.Setenv("CONSUL_HTTP_TOKEN", "from-environment")
	for want, cfg := range map[string]Config{
		"from-environment": {},
		"configured":       {Token: "configured"},
	} {
		cfg.Logger = hclog.NewNullLogger()
		con, err := newClient(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := con.service(t.Context(), "web", 0, 0); err != nil {
			t.Fatal(err)
		}
		if list := f.requests("/v1/health/"); list[len(list)-1].token != want {
			t.Errorf("token %q, want %q", list[len(list)-1].token, want)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]Config{
		"token file":  {TokenFile: filepath.Join(t.TempDir(), "absent")},
		"scheme":      {Address: "ftp://consul"},
		"certificate": {API: &api.Config{TLSConfig: api.TLSConfig{CAFile: filepath.Join(t.TempDir(), "absent")}}},
	} {
		cfg.Logger = hclog.NewNullLogger()
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheTokenIsInNoErrorAndNoLogLine(t *testing.T) {
	var out bytes.Buffer
	log := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &out})
	refused := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		http.Error(w, "ACL not found", http.StatusForbidden)
	}))
	t.Cleanup(refused.Close)
	const secret = "11111111-2222-3333-4444-555555555555"
	con, err := newClient(&Config{Address: refused.URL, Token: secret, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	_, err = con.service(t.Context(), "web", 0, 0)
	if statusCode(err) != http.StatusForbidden {
		t.Fatalf("error %v, want a 403", err)
	}
	log.Warn("service can't be read", "error", err)
	if strings.Contains(out.String(), secret) {
		t.Errorf("the token is in %q", out.String())
	}
}
