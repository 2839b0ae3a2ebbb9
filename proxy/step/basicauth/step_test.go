package basicauth

import (
	"context"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial"
)

// basic is what a browser sends.
func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// shown is what credentials are read as.
func shown(user, password string) *credentials {
	c := &credentials{colon: len(user)}
	c.end = copy(c.space[:], user+":"+password)
	return c
}

func TestStep(t *testing.T) {
	spec := &Spec{Realm: "office", Header: "X-User", users: usersOf(t, "ada:"+crypt(t, "se:cret")+"\ngrace:"+argon("ünlü")+"\n")}
	d := newDoor(t, New(spec, NewVerifier()))
	for range 2 { // verified, then remembered
		if status := d.Knock(basic("ada", "se:cret"), "X-User: root", "x_user: root"); status != 200 || !slices.Equal(d.seen(), []string{"user=ada", "X-User: ada"}) {
			t.Errorf("%d, the instance saw %v", status, d.seen())
		}
		if status := d.Knock("authorization: bAsIc   " + base64.StdEncoding.EncodeToString([]byte("grace:ünlü"))); status != 200 {
			t.Errorf("%d", status)
		}
	}
	if got := d.Counted(); got["ok"] != 2 || got["cached"] != 2 {
		t.Errorf("counted %v", got)
	}
	good := basic("ada", "se:cret")
	for what, tt := range map[string]struct {
		lines   []string
		problem string
	}{
		"nothing":               {nil, "credentials-missing"},
		"a token":               {[]string{"Authorization: Bearer abc"}, "credentials-missing"},
		"an empty field":        {[]string{"Authorization: "}, "credentials-missing"},
		"another scheme's name": {[]string{strings.Replace(good, "Basic", "Basically", 1)}, "credentials-missing"},
		"a wrong password":      {[]string{basic("ada", "se:cres")}, "credentials-invalid"},
		"no password":           {[]string{basic("ada", "")}, "credentials-invalid"},
		"another's password":    {[]string{basic("grace", "se:cret")}, "credentials-invalid"},
		"nobody":                {[]string{basic("bob", "se:cret")}, "credentials-invalid"},
		"nobody with grace's":   {[]string{basic("bob", "ünlü")}, "credentials-invalid"},
		"no name":               {[]string{basic("", "se:cret")}, "credentials-invalid"},
		"a name in capitals":    {[]string{basic("ADA", "se:cret")}, "credentials-invalid"},
		"two of them":           {[]string{good, good}, "credentials-invalid"},
		"a token beside it":     {[]string{good, "Authorization: Bearer abc"}, "credentials-invalid"},
		"no colon":              {[]string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ada"))}, "credentials-invalid"},
		"no base64":             {[]string{good + "!"}, "credentials-invalid"},
		"two words":             {[]string{good + " " + good[21:]}, "credentials-invalid"},
		"a control character":   {[]string{basic("ada", "se:cret\x00")}, "credentials-invalid"},
		"no UTF-8":              {[]string{basic("ada", "se:cret\xff")}, "credentials-invalid"},
		"much":                  {[]string{basic("ada", strings.Repeat("x", 100_000))}, "credentials-invalid"},
		"just too much":         {[]string{basic("ada", strings.Repeat("x", maxCredentials))}, "credentials-invalid"},
	} {
		if status := d.Knock(tt.lines...); status != 401 || !strings.Contains(d.Body, tt.problem) || d.Answer.Header.Get("WWW-Authenticate") != `Basic realm="office", charset="UTF-8"` {
			t.Errorf("%s: %d %s %v", what, status, d.Body, d.Answer.Header)
		}
		if d.seen() != nil {
			t.Errorf("%s: the instance saw it", what)
		}
	}
}

func TestForward(t *testing.T) {
	spec := &Spec{Realm: "office", Forward: true, users: usersOf(t, "ada:"+crypt(t, "x"))}
	d := newDoor(t, New(spec, NewVerifier()))
	if d.Knock(basic("ada", "x")); !slices.Equal(d.seen(), []string{"user=ada", basic("ada", "x")}) {
		t.Errorf("the instance saw %v", d.seen())
	}
}

// What was verified counts for that line of the file only.
func TestRememberedByLine(t *testing.T) {
	v := NewVerifier()
	hashed := crypt(t, "x")
	before, after := usersOf(t, "ada:"+hashed), usersOf(t, "ada:"+crypt(t, "y"))
	twin := usersOf(t, "bob:"+hashed)
	c := shown("ada", "x")
	if u, err := v.verify(t.Context(), netip.Addr{}, before, c); err != nil || u == nil {
		t.Fatal(u, err)
	}
	if v.remembered(before, c) == nil || v.remembered(usersOf(t, "ada:"+hashed), c) == nil {
		t.Error("it is not remembered, or not over a reload")
	}
	if v.remembered(after, c) != nil {
		t.Error("the password of before is good after a change")
	}
	if v.remembered(twin, shown("bob", "x")) != nil {
		t.Error("who has the same hash is taken for the same")
	}
	if v.remembered(before, shown("bob", "x")) != nil {
		t.Error("who is not known passes with a known password")
	}
}

// slow is a hash that takes until it is told to end.
type slow struct{ begun, end chan struct{} }

func (h slow) matches([]byte) bool {
	h.begun <- struct{}{}
	<-h.end
	return false
}

// A flood of wrong passwords takes a bounded part of the machine, and who has been
// verified passes beside it.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := slow{make(chan struct{}, 1000), make(chan struct{})}
		u := usersOf(t, "ada:"+crypt(t, "x")+"\nbob:"+crypt(t, "y"))
		v := NewVerifier()
		v.gate = newGate(2)
		d := newDoor(t, New(&Spec{Realm: "office", users: u}, v))
		if d.Knock(basic("ada", "x")) != 200 {
			t.Fatal("the right password is refused")
		}
		u.byName["bob"].hash = h
		var wg sync.WaitGroup
		answers := make(chan int, MaxFromOne)
		for range MaxFromOne {
			wg.Go(func() { answers <- d.Another(context.Background()).Ask("GET", "/", basic("bob", "guess")).Status })
		}
		synctest.Wait()
		if len(h.begun) != 2 {
			t.Errorf("%d passwords are hashed at once, want 2", len(h.begun))
		}
		if d.Knock(basic("bob", "guess")) != 503 || d.Answer.Header.Get("Retry-After") == "" || !strings.Contains(d.Body, "overloaded") {
			t.Errorf("one more of this address: %d %v", d.Status, d.Answer.Header)
		}
		if d.Knock(basic("ada", "x")) != 200 {
			t.Error("who has been verified has to wait")
		}
		d.Client = "192.0.2.8"
		start := time.Now()
		if d.Knock(basic("bob", "guess")) != 503 || time.Since(start) != patience {
			t.Errorf("another address: %d after %v", d.Status, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var gone trial.Answer
		wg.Go(func() { gone = d.Another(ctx).Ask("GET", "/", basic("bob", "guess")) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !gone.Gone || gone.Status != 0 {
			t.Errorf("who went away is answered %d", gone.Status)
		}
		close(h.end)
		wg.Wait()
		close(answers)
		got := map[int]int{}
		for a := range answers {
			got[a]++
		}
		if got[401] != 2 || got[503] != MaxFromOne-2 { // the others have lost their patience
			t.Errorf("answers %v", got)
		}
		if v.gate.waiting != 0 || len(v.gate.from) != 0 || len(v.gate.slots) != 0 {
			t.Errorf("the gate still holds %d, %v, %d", v.gate.waiting, v.gate.from, len(v.gate.slots))
		}
	})
}

// The gate takes a /64 for one client, and never more than it can hold.
func TestGate(t *testing.T) {
	g := newGate(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.enter(t.Context(), netip.MustParseAddr("2001:db8::1")); err != nil {
		t.Fatal(err)
	}
	g.from[netip.MustParseAddr("2001:db8::")] = MaxFromOne
	if err := g.enter(t.Context(), netip.MustParseAddr("2001:db8::ffff")); err != errFullOne { //nolint:errorlint // it is that one
		t.Errorf("the same /64: %v", err)
	}
	if err := g.enter(ctx, netip.MustParseAddr("2001:db8:0:1::1")); err != context.Canceled { //nolint:errorlint // it is that one
		t.Errorf("another /64: %v", err)
	}
	g.waiting = MaxWaiting + 1
	if err := g.enter(ctx, netip.MustParseAddr("192.0.2.1")); err != errFull { //nolint:errorlint // it is that one
		t.Errorf("a full gate: %v", err)
	}
}

// Memory is bounded, whoever comes.
func TestRememberedIsBounded(t *testing.T) {
	v := NewVerifier()
	for i := range MaxRemembered + 10_000 {
		d := v.digest(&[32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, nil)
		v.remember(&d)
	}
	n := 0
	for i := range v.shards {
		n += len(v.shards[i].right)
	}
	if n > MaxRemembered || n < MaxRemembered/2 {
		t.Errorf("%d are remembered", n)
	}
}

func TestRememberedWithoutAllocations(t *testing.T) {
	u := usersOf(t, "ada:"+crypt(t, "x"))
	v := NewVerifier()
	if _, err := v.verify(t.Context(), netip.Addr{}, u, shown("ada", "x")); err != nil {
		t.Fatal(err)
	}
	var f proxy.Fields
	f.Reset(nil)
	name, value, _ := strings.Cut(basic("ada", "x"), ": ")
	f.Foreign(name, value)
	if n := testing.AllocsPerRun(100, func() {
		var c credentials
		if c.read(&f) != present || v.remembered(u, &c) == nil {
			t.Fatal("it is not remembered")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRemembered(b *testing.B) {
	u := usersOf(b, "ada:"+crypt(b, "x"))
	v := NewVerifier()
	if _, err := v.verify(b.Context(), netip.Addr{}, u, shown("ada", "x")); err != nil {
		b.Fatal(err)
	}
	var f proxy.Fields
	f.Reset(nil)
	name, value, _ := strings.Cut(basic("ada", "x"), ": ")
	f.Foreign(name, value)
	b.ReportAllocs()
	for b.Loop() {
		var c credentials
		if c.read(&f) != present || v.remembered(u, &c) == nil {
			b.Fatal("it is not remembered")
		}
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add(basic("ada", "x"))
	f.Add("Authorization: Basic " + strings.Repeat("A", 1400))
	f.Fuzz(func(t *testing.T, line string) {
		name, value, _ := strings.Cut(line, ": ")
		var fields proxy.Fields
		fields.Reset(nil)
		fields.Foreign(name, value)
		var c credentials
		if c.read(&fields) == present && (len(c.name()) > maxName || controls(c.name()) || controls(c.password()) || strings.Contains(string(c.name()), ":")) {
			t.Errorf("%q is read as %q and %q", line, c.name(), c.password())
		}
	})
}
