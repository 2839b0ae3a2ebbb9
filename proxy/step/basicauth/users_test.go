package basicauth

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

// crypt hashes a password as cheaply as bcrypt allows.
func crypt(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func argon(password string) string {
	salt := []byte("0123456789abcdef")
	sum := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=1$%s$%s", e.EncodeToString(salt), e.EncodeToString(sum))
}

func file(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func usersOf(t testing.TB, text string) *users {
	t.Helper()
	u, err := readUsers(file(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestKnownHashes takes what other programs have made: htpasswd, and the argon2 of
// its authors.
func TestKnownHashes(t *testing.T) {
	for _, tt := range []struct{ hash, password string }{
		{"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
		{"$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", "myPassword"},
		{"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "password"},
	} {
		h, err := parseHash(tt.hash)
		if err != nil {
			t.Errorf("%s: %v", tt.hash, err)
			continue
		}
		if !h.matches([]byte(tt.password)) {
			t.Errorf("%s: the password is taken for wrong", tt.hash)
		}
		if h.matches([]byte(tt.password+"x")) || h.matches(nil) {
			t.Errorf("%s: a wrong password is taken for right", tt.hash)
		}
	}
}

func TestHashesRefused(t *testing.T) {
	good := "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
	sum := strings.Repeat("A", 43)
	for hash, want := range map[string]string{
		"":                                      "not hashed",
		"secret":                                "not hashed",
		"$apr1$eKbfAJ7b$A0q4dHM3GZVrHvHrmSFQK1": "MD5",
		"{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=":     "SHA-1",
		"$6$abc$def":                            "SHA-512",
		"$argon2i$v=19$m=64,t=1,p=1$MDEy$AAAA":  "another argon2",
		"$2x$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC": "an old bcrypt",
		"$2y$31$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC": "more than 14",
		"$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRq":  "malformed",
		"$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRq:": "malformed",
		"$2y$xx$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC": "malformed",
		good:             "malformed",
		good + sum + "=": "malformed",
		strings.Replace(good+sum, "m=64", "m=1048576", 1):        "costs too much",
		strings.Replace(good+sum, "t=1", "t=65", 1):              "costs too much",
		strings.Replace(good+sum, "m=64,t=1", "m=65536,t=60", 1): "costs too much",
		strings.Replace(good+sum, "p=1", "p=17", 1):              "costs too much",
		strings.Replace(good+sum, "t=1", "t=0", 1):               "malformed",
		strings.Replace(good+sum, "t=1,p=1", "p=1,t=1", 1):       "malformed",
		strings.Replace(good+sum, "v=19", "v=16", 1):             "malformed",
		strings.Replace(good+sum, "m=64", "m=99999999999", 1):    "malformed",
	} {
		if _, err := parseHash(hash); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", hash, err, want)
		}
	}
	if _, err := parseHash(good + sum); err != nil {
		t.Errorf("the one that the others are made of: %v", err)
	}
}

func TestReadUsers(t *testing.T) {
	h := crypt(t, "secret")
	u := usersOf(t, "# users\nada:"+h+"\r\n\n  grace hopper:"+argon("x")+"\n")
	if len(u.order) != 2 || u.byName["ada"] == nil || u.byName["grace hopper"] == nil {
		t.Errorf("%d users: %v", len(u.order), u.byName)
	}
	for text, want := range map[string]string{
		"":                           "no users",
		"# nobody\n":                 "no users",
		"ada:" + h + "\nada:" + h:    "htpasswd:2: the user is in this file already",
		"\n\nada":                    "htpasswd:3: a line is name:hash",
		":" + h:                      "a user's name has",
		"ada :" + h:                  "a user's name has",
		"a\x01:" + h:                 "a user's name has",
		"ada:" + h + "\nhidden:hush": "htpasswd:2: the password is not hashed",
	} {
		_, err := readUsers(file(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		} else if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), h) {
			t.Errorf("%q: the error tells a secret: %v", text, err)
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
	h := crypt(t, "secret")
	name := file(t, "ada:"+h)
	s, diags := decode(t, fmt.Sprintf("users_file = %q\nrealm = \"office\"\nheader = \"X-User\"\nforward = true", name))
	if diags.HasErrors() || s.Realm != "office" || s.Header != "X-User" || !s.Forward || s.Files()[0] != name {
		t.Errorf("%+v, %v", s, diags)
	}
	if shown := fmt.Sprint(s.Redacted()); strings.Contains(shown, h) || strings.Contains(shown, "ada") || !strings.Contains(shown, "users:1") {
		t.Errorf("shown as %s", shown)
	}
	for text, want := range map[string]string{
		"":                        `"users_file" is required`,
		`users_file = "/no/such"`: "no such file",
		fmt.Sprintf("users_file = %q\nrealm = \"\"", name):               "must not be empty",
		fmt.Sprintf("users_file = %q\nrealm = \"ü\"", name):              "printable ASCII",
		fmt.Sprintf("users_file = %q\nheader = \"a b\"", name):           "can't be the name of a field",
		fmt.Sprintf("users_file = %q\nheader = \"x_real_ip\"", name):     "the gateway itself uses it",
		fmt.Sprintf("users_file = %q\nheader = \"Authorization\"", name): "the gateway itself uses it",
	} {
		if _, diags := decode(t, text); !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
}
