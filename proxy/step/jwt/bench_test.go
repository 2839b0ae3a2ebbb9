package jwt

import "testing"

// hit is a request whose token has been verified before.
func hit(t testing.TB) func() {
	p := every(t)
	s := step(t, []*Provider{p}, &RouteSpec{
		Provider: "main", Forward: true, Headers: []HeaderSpec{{"X-User", "sub"}},
		Require: []Requirement{{"scope", []Value{{String: new("orders:read")}}}},
	})
	text := token(t, "RS256", good(object{"scope": "orders:list orders:read", "jti": "0e1a9e2c-1f5c-4a1b-8c4d-2a90b6d6e0a1", "name": "Ada Lovelace"}))
	x, client := exchange("", "Host: api.example.com", "User-Agent: test", "Accept: */*", "X-User: root", "Authorization: Bearer "+text)
	if !s.Request(x) {
		t.Fatal(client.status, client.body)
	}
	x, _ = exchange("")
	head := []byte("Host: api.example.com\r\nUser-Agent: test\r\nAccept: */*\r\nX-User: root\r\nAuthorization: Bearer " + text + "\r\n")
	offsets := [][4]int{}
	for at, line := 0, 0; at < len(head); line++ {
		colon := at
		for head[colon] != ':' {
			colon++
		}
		end := colon
		for head[end] != '\r' {
			end++
		}
		offsets = append(offsets, [4]int{at, colon - at, colon + 2, end - colon - 2})
		at = end + 2
	}
	return func() {
		f := &x.Request.Fields
		f.Reset(head)
		for _, o := range offsets {
			f.Received(o[0], o[1], o[2], o[3], true)
		}
		x.Identity = nil
		if !s.Request(x) {
			t.Fatal("refused")
		}
	}
}

// TestHitAllocatesNothing wants a known token, a claim of it and its absence to
// cost no allocation.
func TestHitAllocatesNothing(t *testing.T) {
	once := hit(t)
	if n := testing.AllocsPerRun(1000, once); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
	p := every(t)
	tok, err := p.Verify([]byte(token(t, "EdDSA", good(object{"a": object{"b": "c"}}))), now)
	if err != nil {
		t.Fatal(err)
	}
	paths := [][]string{{"sub"}, {"a", "b"}, {"a"}, {"x", "y"}, nil}
	want := []string{"ada", "c", "", "", ""}
	if n := testing.AllocsPerRun(1000, func() {
		for i, path := range paths {
			if v, ok := tok.Claim(path); v != want[i] || ok != (want[i] != "") {
				t.Fatalf("%v is %q", path, v)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations for claims", n)
	}
}

func BenchmarkHit(b *testing.B) {
	once := hit(b)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}

func BenchmarkHitParallel(b *testing.B) {
	p := every(b)
	text := []byte(token(b, "RS256", good(nil)))
	if _, err := p.Verify(text, now); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c := candidate{token: text, state: present}
			if _, r, _ := p.verify(&c, now); r != cached {
				b.Fatal(r)
			}
		}
	})
}

func BenchmarkMiss(b *testing.B) {
	public, secret := every(b), hmacProvider(b, "HS256", "HS384", "HS512")
	for _, a := range allAlgorithms {
		p := public
		if a.family == hmacFamily {
			p = secret
		}
		text := []byte(token(b, a.name, good(nil)))
		b.Run(a.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c := candidate{token: text, state: present}
				if _, r, _ := p.check(&c, p.keys.Load(), now); r != verified {
					b.Fatal(r)
				}
			}
		})
	}
}

// BenchmarkExpired is what a client costs that doesn't notice.
func BenchmarkExpired(b *testing.B) {
	p := every(b)
	text := []byte(token(b, "RS256", good(object{"exp": 1})))
	b.ReportAllocs()
	for b.Loop() {
		c := candidate{token: text, state: present}
		if _, r, _ := p.verify(&c, now); r != expired {
			b.Fatal(r)
		}
	}
}
