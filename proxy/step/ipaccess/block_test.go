package ipaccess

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

func decode(t *testing.T, text string) (*Spec, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclparse.NewParser().ParseHCL([]byte(text), "test.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Decode(file.Body, hcl.Range{Filename: "test.hcl"}, func(path string, _ hcl.Range) string { return path })
}

func TestDecode(t *testing.T) {
	list := filepath.Join(t.TempDir(), "office.txt")
	if err := os.WriteFile(list, []byte("# the office\n192.0.2.0/24 # first floor\n\n2001:db8::/32\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, diags := decode(t, `allow = ["10.0.0.0/8", "10.0.0.0/8"]`+"\n"+`deny = ["10.1.2.3"]`+"\nallow_file = \""+list+`"`)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for a, want := range map[string]bool{"10.0.0.1": true, "10.1.2.3": false, "192.0.2.7": true, "2001:db8::7": true, "203.0.113.1": false} {
		if s.Set.Allows(netip.MustParseAddr(a)) != want {
			t.Errorf("%s: %v", a, !want)
		}
	}
	if !slices.Equal(s.Files(), []string{list}) || s.Rules != 4 {
		t.Errorf("files %v, %d networks", s.Files(), s.Rules)
	}
	if v := s.Redacted(); v["networks"] != 4 || v["allow_file"] != list {
		t.Errorf("shown as %v", v)
	}

	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, diags = decode(t, `allow_file = "`+empty+`"`); diags.HasErrors() || s.Set.Allows(netip.MustParseAddr("10.0.0.1")) {
		t.Errorf("an empty list of who may come lets somebody pass: %v", diags)
	}
	if s, diags = decode(t, `deny_file = "`+empty+`"`); diags.HasErrors() || !s.Set.Allows(netip.MustParseAddr("10.0.0.1")) {
		t.Errorf("an empty list of who may not come denies somebody: %v", diags)
	}
}

func TestDecodeRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.txt")
	if err := os.WriteFile(bad, []byte("10.0.0.0/8\nsomewhere\n10.0.0.1/8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		``:                           "Empty ip_access block",
		`allow = []`:                 "Empty ip_access block",
		`allow = ["10.0.0.1/8"]`:     "the network is 10.0.0.0/8",
		`deny = ["10.0.0.0/33"]`:     "is not a network",
		`deny = ["fe80::1%eth0"]`:    "is not an address",
		`allow = ["example.com"]`:    "is not an address",
		`allow = ["010.0.0.0/8"]`:    "is not a network",
		`deny_file = ""`:             "must not be empty",
		`deny_file = "/no/such"`:     "no such file",
		`alow = ["10.0.0.0/8"]`:      `Did you mean "allow"?`,
		`allow_file = "` + bad + `"`: "bad.txt:2: \"somewhere\" is not an address",
		"allow = [\"10.0.0.0/8\"]\ndeny = [\"10.0.0.0/8\"]": "10.0.0.0/8 is both allowed and denied",
	} {
		s, diags := decode(t, text)
		if !diags.HasErrors() || !strings.Contains(diags.Error(), want) || s.Set != nil {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
}
