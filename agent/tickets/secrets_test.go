package tickets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

// secret returns n bytes that differ, the same ones for a seed.
func secret(seed byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i)*7
	}
	return b
}

// line is a secret as a file has it.
func line(seed byte) string { return base64.StdEncoding.EncodeToString(secret(seed, 32)) + "\n" }

func parsed(t testing.TB, text string) *Keys {
	t.Helper()
	k, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestParseSpellings: however a secret is written, the keys are the same.
func TestParseSpellings(t *testing.T) {
	raw := append(secret(251, 29), 0xfb, 0xff, 0xfe) // which the two alphabets of base64 spell differently
	now := time.Unix(1e9, 0)
	ticket, err := parsed(t, hex.EncodeToString(raw)).Seal(now, "a", now, []byte("session"))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		strings.ToUpper(hex.EncodeToString(raw)),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	} {
		if !bytes.ContainsAny([]byte(text), "+-/_") && strings.ToUpper(text) != text {
			t.Fatalf("%s tells no alphabet", text)
		}
		for _, file := range []string{text, text + "\n", "# a comment\n\n  " + text + " \r\n", "\xef\xbb\xbf" + text} {
			k := parsed(t, file)
			if session, _, ok := k.Open(now, "a", ticket); !ok || string(session) != "session" || k.Len() != 1 {
				t.Errorf("%q has other keys", file)
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	many := ""
	for i := range mostSecrets + 1 {
		many += line(byte(i))
	}
	for _, c := range []struct{ text, want string }{
		{"", "holds no secret"},
		{"# nothing\n\n", "holds no secret"},
		{line(1) + "\n" + line(2) + "correct horse battery staple\n", "line 4: neither hexadecimal nor base64"},
		{hex.EncodeToString(secret(1, 31)), "line 1: a secret of 31 bytes, fewer than 32"},
		{hex.EncodeToString(secret(1, 32))[:32], "line 1: a secret of 16 bytes, fewer than 32"},
		{line(1) + base64.StdEncoding.EncodeToString(secret(2, 16)), "line 2: a secret of 16 bytes, fewer than 32"},
		{hex.EncodeToString(secret(1, 32)) + "a", "line 1: neither hexadecimal nor base64"}, // 65 digits
		{strings.Repeat("0", 64), "line 1: the secret is not random"},
		{strings.Repeat("deadbeef", 8), "line 1: the secret is not random"},
		{line(1) + line(2) + hex.EncodeToString(secret(1, 32)), "line 3: the same secret as in line 1"},
		{many, "holds 17 secrets, more than 16"},
	} {
		_, err := Parse([]byte(c.text))
		if got := fmt.Sprint(err); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
	if k, err := Parse([]byte(strings.TrimSuffix(many, line(mostSecrets)))); err != nil || k.Len() != mostSecrets {
		t.Errorf("%d secrets: %v", mostSecrets, err)
	}
}

// FuzzParse looks for texts that break it, or that show up in its error.
func FuzzParse(f *testing.F) {
	f.Add([]byte(line(1) + "# x\n" + hex.EncodeToString(secret(3, 40))))
	f.Add([]byte("=\n-_+/"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := Parse(text)
		if err != nil {
			return
		}
		if k.Len() < 1 || k.Len() > mostSecrets {
			t.Fatalf("%d secrets", k.Len())
		}
		now := time.Unix(1e9, 0)
		ticket, err := k.Seal(now, "a", now, []byte("session"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := k.Open(now, "a", ticket); !ok {
			t.Fatal("the keys do not open what they seal")
		}
	})
}
