package attr

import (
	"strconv"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
	}{
		{"0", 0},
		{"1", 1},
		{"512B", 512},
		{"64KiB", 64 << 10},
		{"64 KiB", 64 << 10},
		{"1MB", 1_000_000},
		{"3KB", 3000},
		{"2MiB", 2 << 20},
		{"1GB", 1_000_000_000},
		{"1GiB", 1 << 30},
		{"9223372036854775807", 1<<63 - 1},
		{"8589934591GiB", 8589934591 << 30},
	} {
		got, err := ParseSize(c.text)
		if err != nil || got != c.want {
			t.Errorf("%q: got %d and %v, want %d", c.text, got, err, c.want)
		}
	}
}

func TestParseSizeErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "a whole number and a unit"},
		{"KiB", "a whole number and a unit"},
		{"-1", "a whole number and a unit"},
		{" 1", "a whole number and a unit"},
		{"1.5MB", "is not one of"},
		{"64kib", `Did you mean "KiB"?`},
		{"64kb", `Did you mean "KB"?`},
		{"64 Kib", `Did you mean "KiB"?`},
		{"64KiBs", `Did you mean "KiB"?`},
		{"1 potato", "is not one of B, KB,"},
		{"9223372036854775808", "is too large"},
		{"8589934592GiB", "is too large"},
		{strings.Repeat("9", 100), "is too large"},
	} {
		n, err := ParseSize(c.text)
		if err == nil || n != 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %d and %v, want an error with %q", c.text, n, err, c.want)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"64KiB", "1MB", "0", "", "9223372036854775808", "8589934592GiB", "1 µB", "64kib"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		switch {
		case err != nil && n != 0:
			t.Errorf("%q: got %d with the error %v", s, n, err)
		case err == nil && n < 0:
			t.Errorf("%q: got %d", s, n)
		case err == nil:
			if again, err := ParseSize(strconv.FormatInt(n, 10)); err != nil || again != n {
				t.Errorf("%q is %d, but %d is %d and %v", s, n, n, again, err)
			}
		}
	})
}
