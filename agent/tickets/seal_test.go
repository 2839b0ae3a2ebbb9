package tickets

import (
	"bytes"
	"sync"
	"testing"
	"time"
)

// noon is the beginning of a period.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func sealed(t testing.TB, k *Keys, now time.Time) []byte {
	t.Helper()
	ticket, err := k.Seal(now, "example.com", now, []byte("session"))
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// TestPeriods seals at one gateway and opens at another, whose clock may differ.
func TestPeriods(t *testing.T) {
	one, other := parsed(t, line(1)), parsed(t, line(1))
	const s = time.Second
	for _, c := range []struct {
		sealed, opened time.Duration // from noon
		ok             bool
	}{
		{0, 0, true},
		{0, period - s, true},
		{0, period, true},          // the next period
		{0, 2*period - s, true},    // its end
		{0, 2 * period, false},     // the one after
		{period - s, period, true}, // sealed at the end of a period
		{period - s, 2*period - s, true},
		{period - s, 2 * period, false},
		{0, -s, true},          // the opener's clock is slow
		{period - s, -s, true}, // by most of a period
		{0, -period, true},
		{0, -period - s, false},
		{-period, -3*period - s, false},
	} {
		ticket := sealed(t, one, noon.Add(c.sealed))
		session, begun, ok := other.Open(noon.Add(c.opened), "example.com", ticket)
		if ok != c.ok || ok && (string(session) != "session" || !begun.Equal(noon.Add(c.sealed))) {
			t.Errorf("sealed at %v, opened at %v: got %q of %v and %t", c.sealed, c.opened, session, begun, ok)
		}
	}
}

// TestPeriodOf includes clocks that are set to before 1970.
func TestPeriodOf(t *testing.T) {
	for _, c := range []struct {
		at   time.Duration // from the epoch
		want int64
	}{
		{0, 0}, {period - 1, 0}, {period, 1}, {-1, -1}, {-time.Second, -1}, {-period, -1}, {-period - time.Second, -2},
	} {
		if got := periodOf(time.Unix(0, 0).Add(c.at)); got != c.want {
			t.Errorf("%v: got %d, want %d", c.at, got, c.want)
		}
	}
}

// TestSecrets: the first one of a file seals, and all open.
func TestSecrets(t *testing.T) {
	before, during, after := parsed(t, line(1)), parsed(t, line(2)+line(1)), parsed(t, line(2))
	stranger := parsed(t, line(3))
	for name, c := range map[string]struct {
		sealer, opener *Keys
		ok             bool
	}{
		"the old secret, beside a new one": {before, during, true},
		"a new secret, where it seals":     {during, after, true},
		"a new secret, not there yet":      {during, before, false},
		"the old secret, gone":             {before, after, false},
		"another secret":                   {stranger, during, false},
	} {
		if _, _, ok := c.opener.Open(noon, "example.com", sealed(t, c.sealer, noon)); ok != c.ok {
			t.Errorf("%s: got %t", name, ok)
		}
	}
	// Whoever deploys a new secret lets all open it before one seals by it.
	prepared := parsed(t, line(1)+line(2))
	if _, _, ok := prepared.Open(noon, "example.com", sealed(t, after, noon)); !ok {
		t.Error("a secret that is not the first does not open")
	}
	if _, _, ok := before.Open(noon, "example.com", sealed(t, prepared, noon)); !ok {
		t.Error("the first does not seal")
	}
}

// TestServerName: a ticket is for the server that it was given out for.
func TestServerName(t *testing.T) {
	k := parsed(t, line(1))
	ticket := sealed(t, k, noon)
	for name, want := range map[string]bool{"example.com": true, "EXAMPLE.com": true, "www.example.com": false, "": false} {
		if _, _, ok := k.Open(noon, name, ticket); ok != want {
			t.Errorf("%q: got %t", name, ok)
		}
	}
}

// TestLifetime: a session that is sealed again and again ends all the same.
func TestLifetime(t *testing.T) {
	k := parsed(t, line(1))
	now := noon
	for now.Sub(noon) <= lifetime {
		ticket, err := k.Seal(now, "example.com", noon, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, begun, ok := k.Open(now, "example.com", ticket); !ok || !begun.Equal(noon) {
			t.Fatalf("after %v: %v, %t", now.Sub(noon), begun, ok)
		}
		now = now.Add(time.Hour)
	}
	ticket, err := k.Seal(now, "example.com", noon, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := k.Open(now, "example.com", ticket); ok {
		t.Errorf("it is resumed after %v", now.Sub(noon))
	}
}

// TestTampered changes every byte of a ticket, and cuts it everywhere.
func TestTampered(t *testing.T) {
	k := parsed(t, line(1))
	ticket := sealed(t, k, noon)
	for i := range ticket {
		bad := bytes.Clone(ticket)
		bad[i] ^= 1
		if _, _, ok := k.Open(noon, "example.com", bad); ok {
			t.Errorf("byte %d can be changed", i)
		}
		if _, _, ok := k.Open(noon, "example.com", ticket[:i]); ok {
			t.Errorf("the first %d bytes suffice", i)
		}
	}
	if again := sealed(t, k, noon); bytes.Equal(again[nameSize:headSize], ticket[nameSize:headSize]) {
		t.Error("two tickets have one salt")
	}
}

// TestAtOnce lets many come first in a period.
func TestAtOnce(t *testing.T) {
	k := parsed(t, line(1)+line(2))
	ticket := sealed(t, parsed(t, line(2)), noon)
	var run sync.WaitGroup
	for i := range 8 {
		run.Go(func() {
			for j := range 50 {
				now := noon.Add(time.Duration((i+j)%2) * period)
				if _, _, ok := k.Open(now, "example.com", ticket); !ok {
					t.Errorf("not opened at %v", now)
				}
			}
		})
	}
	run.Wait()
}

// FuzzOpen looks for tickets that break it, or that somebody made without the secret.
func FuzzOpen(f *testing.F) {
	k := parsed(f, line(1))
	f.Add(sealed(f, k, noon)[:60], "example.com")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, ticket []byte, server string) {
		if session, _, ok := k.Open(noon, server, ticket); ok {
			t.Fatalf("forged: %q", session)
		}
	})
}

// BenchmarkTicket seals and opens a ticket as large as one without a client's
// certificate.
func BenchmarkTicket(b *testing.B) {
	k := parsed(b, line(1)+line(2))
	session := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := k.Seal(noon, "example.com", noon, session)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, ok := k.Open(noon, "example.com", ticket); !ok {
			b.Fatal("not opened")
		}
	}
}
