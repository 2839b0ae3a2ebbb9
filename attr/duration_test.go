package attr

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
	}{
		{"0s", 0},
		{"0", 0},
		{"250ms", 250 * time.Millisecond},
		{"10s", 10 * time.Second},
		{"1h30m", 90 * time.Minute},
		{"1.5s", 1500 * time.Millisecond},
	} {
		got, err := ParseDuration(c.text)
		if err != nil || got != c.want {
			t.Errorf("%q: got %s and %v, want %s", c.text, got, err, c.want)
		}
	}
}

func TestParseDurationErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "is not a duration such as"},
		{"10", `"10s" for seconds`},
		{"-1s", "is negative"},
		{"7d", `a day is "24h"`},
		{"soon", "is not a duration such as"},
		{"1 s", "is not a duration such as"},
		{"300000000h", "is not a duration such as"},
	} {
		d, err := ParseDuration(c.text)
		if err == nil || d != 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %s and %v, want an error with %q", c.text, d, err, c.want)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"10s", "10", "-1s", "7d", "", "1h30m", "µs", "9223372036854775807ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		switch {
		case err != nil && d != 0:
			t.Errorf("%q: got %s with the error %v", s, d, err)
		case err == nil && d < 0:
			t.Errorf("%q: got %s", s, d)
		case err == nil:
			if again, err := ParseDuration(d.String()); err != nil || again != d {
				t.Errorf("%q is %s, but that is %s and %v", s, d, again, err)
			}
		}
	})
}
