package proxy_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// hopByHop are the fields that can be read and are never forwarded.
var hopByHop = []string{
	"Host", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "HTTP2-Settings",
	"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info", "Content-Length", "Expect",
}

// fieldsOf records lines as an engine would that received them: some as they
// stood on the wire, some apart, some copied.
func fieldsOf(f *proxy.Fields, lines ...string) {
	var head []byte
	type span struct {
		name, nameLen, value, valueLen int
		verbatim                       bool
	}
	spans := make([]span, len(lines))
	for i, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		s := span{name: len(head), nameLen: len(name), verbatim: i%3 > 0}
		head = append(append(head, name...), ':')
		if s.verbatim {
			head = append(head, ' ')
		}
		s.value, s.valueLen = len(head), len(value)
		head = append(append(head, value...), '\r', '\n')
		spans[i] = s
	}
	f.Reset(head)
	for _, s := range spans {
		f.Received(s.name, s.nameLen, s.value, s.valueLen, s.verbatim)
	}
}

func TestEveryKnownNameIsClassified(t *testing.T) {
	n := 0
	for id := proxy.Other + 1; ; id++ {
		name, ok := nameOf(id)
		if !ok {
			break
		}
		n++
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := proxy.Classify([]byte(spelling)); got != id {
				t.Errorf("%s is %v, want %v", spelling, got, id)
			}
		}
		for i := range name {
			wrong := []byte(name)
			wrong[i] ^= 0x20
			if c := name[i]; c < 'A' || c > 'z' { // no letter: not the same name
				if got := proxy.Classify(wrong); got != proxy.Other {
					t.Errorf("%q is taken for %v", wrong, got)
				}
			}
			for _, near := range []string{name[:i] + name[i+1:], name[:i] + "x" + name[i:]} {
				if got := proxy.Classify([]byte(near)); got != proxy.Other && !strings.EqualFold(got.String(), near) {
					t.Errorf("%q is taken for %v", near, got)
				}
			}
		}
		if got := proxy.Classify([]byte(strings.ReplaceAll(name, "-", "_"))); strings.Contains(name, "-") && got != proxy.Other {
			t.Errorf("%s with underscores is taken for %v", name, got)
		}
	}
	if n < 45 {
		t.Errorf("only %d fields are known", n)
	}
	for _, s := range []string{"", "a", "x", "TE ", "te\x00", "\xe2\x84\xaaeep-alive"} {
		if got := proxy.Classify([]byte(s)); got != proxy.Other {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
}

// nameOf returns a known field's name, and false behind the last one.
func nameOf(id proxy.ID) (name string, ok bool) {
	defer func() { ok = recover() == nil && name != "" }()
	return id.String(), true
}

func FuzzClassify(f *testing.F) {
	for _, s := range []string{"Host", "TE", "x-forwarded-for", "a", ""} {
		f.Add(s)
	}
	known := map[string]proxy.ID{}
	for id := proxy.Other + 1; ; id++ {
		name, ok := nameOf(id)
		if !ok {
			break
		}
		known[strings.ToLower(name)] = id
	}
	lower := func(s string) string { // ASCII only
		return strings.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' {
				return r | 0x20
			}
			return r
		}, s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := proxy.Classify([]byte(s)), known[lower(s)]; got != want {
			t.Errorf("%q is %v, want %v", s, got, want)
		}
	})
}

func TestFieldsAreRead(t *testing.T) {
	var f proxy.Fields
	fieldsOf(&f, "Host: a", "X-App: 1", "x-app: 2", "Cookie: a=1", "Accept: x", "X-APP: 3", "Cookie: b=2", "Connection: close", "TE: trailers", "Empty: ")
	for name, want := range map[string]string{
		"x-app": "1, 2, 3", "X-App": "1, 2, 3", "cookie": "a=1; b=2", "accept": "x", "host": "a", "te": "trailers", "connection": "close", "empty": "",
	} {
		if got, ok := f.Lookup(name); !ok || string(got) != want {
			t.Errorf("Lookup(%q) = %q, %v, want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "x", "x-ap", "x-appp", "content-length", "x_app"} {
		if got, ok := f.Lookup(name); ok {
			t.Errorf("Lookup(%q) = %q", name, got)
		}
	}
	if got := f.Get(proxy.Cookie); string(got) != "a=1" {
		t.Errorf("Get(Cookie) = %q", got)
	}
	if got := f.Get(proxy.Referer); got != nil {
		t.Errorf("Get(Referer) = %q", got)
	}
	var at []int
	for i := f.Next(proxy.Cookie, 0); i >= 0; i = f.Next(proxy.Cookie, i+1) {
		at = append(at, i)
	}
	if !slices.Equal(at, []int{3, 6}) {
		t.Errorf("Cookie is at %v", at)
	}
	if got := string(f.AppendLines(nil)); got != "X-App: 1\r\nx-app: 2\r\nCookie: a=1\r\nAccept: x\r\nX-APP: 3\r\nCookie: b=2\r\nEmpty: \r\n" {
		t.Errorf("forwarded as %q", got)
	}
}

func TestLookupGrowsNothing(t *testing.T) {
	var f proxy.Fields
	value := strings.Repeat("x", 100)
	fieldsOf(&f, "X-App: "+value, "X-App: "+value)
	for range 3 {
		f.Lookup("x-app")
	}
	if n := testing.AllocsPerRun(100, func() { f.Lookup("x-app") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFieldsAreDropped(t *testing.T) {
	lines := []string{"X-App: 1", "Via: a", "Upgrade: h2c", "x-app: 2", "Via: b", "Upgrade: websocket", "Via: c"}
	for _, c := range []struct {
		name string
		edit func(f *proxy.Fields)
		want string // the lines, then what Get says of Via and Upgrade
	}{
		{"nothing", func(*proxy.Fields) {}, "X-App: 1|Via: a|x-app: 2|Via: b|Via: c|a h2c"},
		{"Del", func(f *proxy.Fields) { f.Del(proxy.ViaField) }, "X-App: 1|x-app: 2| h2c"},
		{"Del twice", func(f *proxy.Fields) { f.Del(proxy.ViaField); f.Del(proxy.ViaField) }, "X-App: 1|x-app: 2| h2c"},
		{"Del hop-by-hop", func(f *proxy.Fields) { f.Del(proxy.UpgradeField) }, "X-App: 1|Via: a|x-app: 2|Via: b|Via: c|a "},
		{"DelName", func(f *proxy.Fields) { f.DelName("X-APP") }, "Via: a|Via: b|Via: c|a h2c"},
		{"DelName known", func(f *proxy.Fields) { f.DelName("vIA") }, "X-App: 1|x-app: 2| h2c"},
		{"Drop first", func(f *proxy.Fields) { f.Drop(1) }, "X-App: 1|x-app: 2|Via: b|Via: c|b h2c"},
		{"Drop middle", func(f *proxy.Fields) { f.Drop(4) }, "X-App: 1|Via: a|x-app: 2|Via: c|a h2c"},
		{"Drop all", func(f *proxy.Fields) { f.Drop(6); f.Drop(1); f.Drop(4) }, "X-App: 1|x-app: 2| h2c"},
		{"Drop hop-by-hop", func(f *proxy.Fields) { f.Drop(2) }, "X-App: 1|Via: a|x-app: 2|Via: b|Via: c|a websocket"},
		{"Add after Del", func(f *proxy.Fields) { f.Del(proxy.ViaField); f.AddString(proxy.ViaField, "d") }, "X-App: 1|x-app: 2|Via: d|d h2c"},
		{"Add", func(f *proxy.Fields) { f.Add(proxy.ViaField, []byte("d")) }, "X-App: 1|Via: a|x-app: 2|Via: b|Via: c|Via: d|a h2c"},
		{"AddName", func(f *proxy.Fields) { f.AddName("X-New", "d\r\ne\x00f") }, "X-App: 1|Via: a|x-app: 2|Via: b|Via: c|X-New: d  e f|a h2c"},
		{"AddName hop-by-hop", func(f *proxy.Fields) { f.AddName("connection", "d") }, "X-App: 1|Via: a|x-app: 2|Via: b|Via: c|a h2c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f proxy.Fields
			fieldsOf(&f, lines...)
			c.edit(&f)
			out := strings.ReplaceAll(string(f.AppendLines(nil)), "\r\n", "|") +
				string(f.Get(proxy.ViaField)) + " " + string(f.Get(proxy.UpgradeField))
			if out != c.want {
				t.Errorf("got  %s\nwant %s", out, c.want)
			}
		})
	}
}

func TestFieldsAreBounded(t *testing.T) {
	var f proxy.Fields
	head := []byte("a: 1\r\n")
	f.Reset(head)
	for i := range proxy.MaxFields {
		if _, ok := f.Received(0, 1, 3, 1, true); !ok {
			t.Fatalf("line %d was refused", i)
		}
	}
	if _, ok := f.Received(0, 1, 3, 1, true); ok {
		t.Error("one line too many was taken")
	}
	if _, ok := f.Foreign("a", "1"); ok {
		t.Error("one foreign line too many was taken")
	}
	for range 200 { // the gateway's own lines come on top
		f.AddString(proxy.Accept, "x")
	}
	f.AddString(proxy.ViaField, "y")
	if got := string(f.Get(proxy.ViaField)); got != "y" {
		t.Errorf("the last line reads %q", got)
	}
	f.Reset(nil)
	if _, ok := f.Foreign(strings.Repeat("n", proxy.MaxFieldName+1), "1"); ok || f.Len() != 0 {
		t.Error("a name too long was taken")
	}
}

func TestHasToken(t *testing.T) {
	for value, want := range map[string]bool{
		"upgrade": true, "Upgrade": true, "keep-alive, Upgrade": true, " ,\t,upgrade\t,": true,
		"": false, "upgrades": false, "up grade": false, "x=upgrade": false, "keep-alive": false,
	} {
		var f proxy.Fields
		fieldsOf(&f, "Connection: "+value)
		if got := f.HasToken(proxy.Connection, "upgrade"); got != want {
			t.Errorf("%q: %v", value, got)
		}
		fieldsOf(&f, "Connection: close", "Connection: "+value)
		if got := f.HasToken(proxy.Connection, "upgrade"); got != want {
			t.Errorf("%q in a second line: %v", value, got)
		}
	}
}

func TestDropNominated(t *testing.T) {
	all := []string{
		"Host: h", "X-A: 1", "X-B: 2", "x-a: 3", "Authorization: s", "Cookie: c", "Content-Length: 5", "Transfer-Encoding: chunked",
		"Accept: x", "X-Forwarded-For: f", "Forwarded: f", "X-Request-Id: i", "Traceparent: t", "Via: v", "Upgrade: websocket", "User-Agent: u",
	}
	for _, c := range []struct {
		name    string
		lines   []string
		dropped []string
	}{
		{"nothing", []string{"close", "keep-alive"}, nil},
		{"one", []string{"x-a"}, []string{"X-A: 1", "x-a: 3"}},
		{"a known one", []string{"Accept"}, []string{"Accept: x"}},
		{"several lines", []string{"X-A", "close, X-B"}, []string{"X-A: 1", "x-a: 3", "X-B: 2"}},
		{"odd lists", []string{",, x-b ,\t,", ",", "", "x-a x-b", "\"x-a\"", "x-a;q=1"}, []string{"X-B: 2"}},
		{"what must stay", []string{
			"host, authorization, cookie, content-length, transfer-encoding, x-forwarded-for, forwarded, x-request-id, traceparent, via",
		}, nil},
		{"itself", []string{"connection, upgrade, user-agent"}, []string{"User-Agent: u"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := slices.Clone(all)
			for _, l := range c.lines {
				lines = append(lines, "Connection: "+l)
			}
			var f proxy.Fields
			fieldsOf(&f, lines...)
			if !f.DropNominated() {
				t.Error("taken for an attack")
			}
			want := slices.DeleteFunc(slices.Clone(all), func(l string) bool {
				name, _, _ := strings.Cut(l, ":")
				return slices.Contains(c.dropped, l) || slices.Contains(hopByHop, name)
			})
			if got := strings.TrimSuffix(strings.ReplaceAll(string(f.AppendLines(nil)), "\r\n", "|"), "|"); got != strings.Join(want, "|") {
				t.Errorf("got  %s\nwant %s", got, strings.Join(want, "|"))
			}
			for _, l := range c.dropped {
				name, _, _ := strings.Cut(l, ":")
				if v, ok := f.Lookup(name); ok {
					t.Errorf("%s still reads %q", name, v)
				}
			}
			if got := string(f.Get(proxy.UpgradeField)); got != "websocket" {
				t.Errorf("Upgrade reads %q", got)
			}
		})
	}
}

func TestEndlessNominationIsRefused(t *testing.T) {
	var f proxy.Fields
	fieldsOf(&f, "Connection: "+strings.Repeat("a,", 10000)+"x-b", "X-A: 1", "X-B: 2", "Accept: x")
	if f.DropNominated() {
		t.Error("ten thousand names are fine")
	}
	if got := string(f.AppendLines(nil)); got != "Accept: x\r\n" {
		t.Errorf("left are %q", got)
	}
	fieldsOf(&f, "Connection: "+strings.Repeat(",", 10000), "X-A: 1")
	if !f.DropNominated() {
		t.Error("empty elements count")
	}
}

// naive is a field section without any art.
type naive struct{ lines [][2]string }

func (n *naive) del(name string) {
	n.lines = slices.DeleteFunc(n.lines, func(l [2]string) bool { return strings.EqualFold(l[0], name) })
}

func (n *naive) all(name string) (v []string) {
	for _, l := range n.lines {
		if strings.EqualFold(l[0], name) {
			v = append(v, l[1])
		}
	}
	return v
}

func (n *naive) forwarded() string {
	var b strings.Builder
	for _, l := range n.lines {
		if !slices.ContainsFunc(hopByHop, func(h string) bool { return strings.EqualFold(h, l[0]) }) {
			fmt.Fprintf(&b, "%s: %s\r\n", l[0], l[1])
		}
	}
	return b.String()
}

// TestFieldsAgainstModel does random things to both and compares all answers.
func TestFieldsAgainstModel(t *testing.T) {
	names := []string{"Via", "via", "X-A", "x-a", "X-B", "Connection", "TE", "Accept", "X-Forwarded-For", "Upgrade", "Content-Length"}
	var f proxy.Fields // one for all rounds, as engines use it
	for seed := range uint64(500) {
		dice := rand.New(rand.NewPCG(seed, 1))
		var m naive
		var lines []string
		for range dice.IntN(60) {
			name := names[dice.IntN(len(names))]
			value := strings.Repeat("v", dice.IntN(40)) + fmt.Sprint(dice.IntN(100))
			lines = append(lines, name+": "+value)
			m.lines = append(m.lines, [2]string{name, value})
		}
		fieldsOf(&f, lines...)
		for range 30 {
			name := names[dice.IntN(len(names))]
			id := proxy.Classify([]byte(name))
			switch dice.IntN(6) {
			case 0:
				if m.del(name); id == proxy.Other || dice.IntN(2) == 0 {
					f.DelName(name)
				} else {
					f.Del(id)
				}
			case 1:
				if id != proxy.Other {
					f.AddString(id, "added")
					m.lines = append(m.lines, [2]string{id.String(), "added"})
				}
			case 2:
				f.AddName(name, "named")
				m.lines = append(m.lines, [2]string{name, "named"})
			case 3:
				if want := m.all(name); id != proxy.Other {
					got := f.Get(id)
					if (got == nil) != (len(want) == 0) || got != nil && string(got) != want[0] {
						t.Fatalf("seed %d: Get(%s) = %q, want the first of %q", seed, name, got, want)
					}
					var all []string
					for i := f.Next(id, 0); i >= 0; i = f.Next(id, i+1) {
						all = append(all, string(f.Value(i)))
					}
					if !slices.Equal(all, want) {
						t.Fatalf("seed %d: Next(%s) goes over %q, want %q", seed, name, all, want)
					}
				}
			case 4:
				want := m.all(name)
				if got, ok := f.Lookup(name); ok != (len(want) > 0) || string(got) != strings.Join(want, ", ") {
					t.Fatalf("seed %d: Lookup(%s) = %q, want %q", seed, name, got, want)
				}
			case 5:
				if want := m.all(name); len(want) > 0 && id != proxy.Other {
					f.Drop(f.Next(id, 0))
					i := slices.IndexFunc(m.lines, func(l [2]string) bool { return strings.EqualFold(l[0], name) })
					m.lines = slices.Delete(m.lines, i, i+1)
				}
			}
			if got := string(f.AppendLines(nil)); got != m.forwarded() {
				t.Fatalf("seed %d: forwarded\n%s\nwant\n%s", seed, got, m.forwarded())
			}
		}
	}
}

// FuzzDropNominated holds that a Connection field removes what it names, and
// nothing else.
func FuzzDropNominated(f *testing.F) {
	for _, s := range []string{"close", "x-a", "X-A , x-b", ",,\t", "host", "x-a;x-b", "\"x-a", "x\x00a"} {
		f.Add(s, "X-A")
	}
	keep := []string{"Authorization", "Cookie", "Content-Type", "X-Request-Id", "X-Forwarded-For"}
	f.Fuzz(func(t *testing.T, list, name string) {
		if len(name) == 0 || len(name) > proxy.MaxFieldName || strings.ContainsAny(name+list, "\r\n\x00") {
			return
		}
		var s proxy.Fields
		s.Reset(nil)
		for _, k := range keep {
			s.Foreign(k, "1")
		}
		s.Foreign(name, "1")
		s.Foreign("Connection", list)
		ok := s.DropNominated()
		for _, k := range keep {
			if s.Get(proxy.Classify([]byte(k))) == nil {
				t.Fatalf("%q removed %s", list, k)
			}
		}
		if proxy.Classify([]byte(name)) != proxy.Other || !ok {
			return
		}
		nominated := slices.ContainsFunc(strings.Split(list, ","), func(e string) bool {
			return bytes.EqualFold([]byte(strings.Trim(e, " \t")), []byte(name)) && !strings.EqualFold(name, "close")
		})
		if !s.Live(len(keep)) != nominated {
			t.Fatalf("Connection: %q, %q: live is %v", list, name, s.Live(len(keep)))
		}
	})
}
