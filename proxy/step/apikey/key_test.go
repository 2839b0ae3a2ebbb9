package apikey

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

func file(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "api.keys")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// line is that of a key.
func line(name, key string) string {
	sum := sha256.Sum256([]byte(key))
	return name + " sha256:" + hex.EncodeToString(sum[:])
}

func TestGenerate(t *testing.T) {
	until := time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC)
	key, text, err := Generate("shop", until)
	if err != nil || !strings.HasPrefix(key, "lictor_") || len(key) != len("lictor_")+43 {
		t.Fatal(key, err)
	}
	if want := line("shop", key) + " expires=2030-01-31T00:00:00Z"; text != want {
		t.Errorf("%s, want %s", text, want)
	}
	all, err := readKeys(file(t, text))
	if e := all[sha256.Sum256([]byte(key))]; err != nil || e == nil || e.name != "shop" || e.until != time.Duration(until.UnixNano()) {
		t.Errorf("%+v, %v", e, err)
	}
	if other, _, _ := Generate("shop", time.Time{}); other == key {
		t.Error("two keys are alike")
	}
	for _, name := range []string{"", "a b", "#a", "a\n", strings.Repeat("a", 129), "a\xff"} {
		if _, _, err := Generate(name, time.Time{}); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}

func TestReadKeys(t *testing.T) {
	good := line("shop", "one")
	all, err := readKeys(file(t, "# keys\n"+good+"\n"+line("shop", "two")+" expires=2030-01-31\r\n"+strings.ToUpper(line("", "three")[8:])))
	if err == nil || !strings.Contains(err.Error(), "api.keys:4: a line is NAME") {
		t.Errorf("%v, %v", all, err)
	}
	for text, want := range map[string]string{
		"":                             "no keys",
		good + "\n" + line("b", "one"): "api.keys:2: the key is in this file already",
		"shop":                         "a line is NAME",
		good + " until=2030-01-31":     "a line is NAME",
		good + " expires=2030-01-31 x": "a line is NAME",
		good + " expires=soon":         "a key expires at a date",
		good + " expires=9999-01-01":   "a key expires at a date",
		"shop hush":                    "not hashed by sha256",
		"shop md5:" + good[12:44]:      "not hashed by sha256",
		good + "00":                    "64 hexadecimal digits",
		good[:len(good)-1]:             "64 hexadecimal digits",
		good[:len(good)-1] + "x":       "64 hexadecimal digits",
		line("shop", ""):               "the SHA-256 of nothing",
		strings.Repeat("x\n", 10):      "api.keys:5:",
	} {
		if _, err := readKeys(file(t, text)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func decode(t *testing.T, text string) (*Spec, hcl.Diagnostics) {
	t.Helper()
	f, diags := hclparse.NewParser().ParseHCL([]byte(text), "test.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return Decode(f.Body, hcl.Range{Filename: "test.hcl"}, func(path string, _ hcl.Range) string { return path })
}

func TestDecode(t *testing.T) {
	name := file(t, line("shop", "one"))
	s, diags := decode(t, fmt.Sprintf("keys_file = %q\nname_header = \"X-Consumer\"", name))
	if len(diags) > 0 || s.Header != "X-API-Key" || s.Query != "" || s.Files()[0] != name {
		t.Errorf("%+v, %v", s, diags)
	}
	if shown := fmt.Sprint(s.Redacted()); strings.Contains(shown, "shop") || strings.Contains(shown, line("", "one")[8:20]) || !strings.Contains(shown, "keys:1") {
		t.Errorf("shown as %s", shown)
	}
	s, diags = decode(t, fmt.Sprintf("keys_file = %q\nquery = \"k\"", name))
	if diags.HasErrors() || len(diags) != 1 || diags[0].Summary != "Keys in URLs" || s.Header != "" {
		t.Errorf("%+v, %v", s, diags)
	}
	for text, want := range map[string]string{
		"":                                  `"keys_file" is required`,
		`keys_file = "/no/such"`:            "no such file",
		"query = \"a\"\nheader = \"X-Key\"": "either in a field or in a parameter",
		`query = "a&b"`:                     "can't be the name of a parameter",
		`header = "a b"`:                    "can't be the name of a field",
		`header = "Cookie"`:                 "the gateway itself uses it",
		`name_header = "x_api_key"`:         "holds the key",
	} {
		if !strings.Contains(text, "/no/such") && text != "" {
			text = fmt.Sprintf("keys_file = %q\n%s", name, text)
		}
		if _, diags := decode(t, text); !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
}
