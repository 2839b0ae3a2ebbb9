package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestTicketSecrets: a file of secrets is resolved as other paths, and one that every
// user may read is warned of.
func TestTicketSecrets(t *testing.T) {
	certs, err := filepath.Abs("testdata/tls")
	if err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{
		"a.hcl": "listener \"public\" {\n  address = \"127.0.0.1:0\"\n  tls {\n    certificate {\n      cert_file = \"" + certs +
			"/good.pem\"\n      key_file = \"" + certs + "/good.key\"\n    }\n    session_ticket_key_file = \"secrets\"\n  }\n}\n",
		"secrets": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
	})
	in := Input{ConfigFiles: []string{filepath.Join(dir, "a.hcl")}, Options: testOptions()}
	c, _ := must(t, in)
	if got, want := c.Listeners[0].TLS.TicketFile, filepath.Join(dir, "secrets"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.Chmod(filepath.Join(dir, "secrets"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, files, diags := Load(in)
	got := rendered(t, files, diags)
	if warned := strings.Contains(got, "Warning: Exposed session_ticket_key_file"); warned != (runtime.GOOS != "windows") || diags.HasErrors() {
		t.Errorf("it says %q", got)
	}
	if strings.Contains(got, "0b0c0d") {
		t.Errorf("it shows the secret: %s", got)
	}
}
