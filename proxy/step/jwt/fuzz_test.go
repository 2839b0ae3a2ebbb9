package jwt

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gojwt "github.com/golang-jwt/jwt/v5"
)

// FuzzVerify runs any text through a provider: it never panics, and never accepts
// what the library alone refuses with the same keys and at the same time.
func FuzzVerify(f *testing.F) {
	m := keyring()
	for _, a := range allAlgorithms {
		f.Add(token(f, a.name, good(nil)), int64(0))
	}
	f.Add(sign(f, "ES256", object{"alg": "ES256", "jwk": object{"kty": "EC"}}, good(object{"nbf": 1.5, "aud": []string{"shop"}}), m.ec["ES256"]), int64(-5))
	f.Add(encode(object{"alg": "none"})+"."+encode(good(nil))+".", int64(0))
	f.Add("..", int64(1))
	f.Add(strings.Repeat("A", 100)+"."+strings.Repeat("A", 100)+"."+strings.Repeat("A", 86), int64(1))
	public, secret := every(f), hmacProvider(f, "HS256", "HS384", "HS512")
	f.Fuzz(func(t *testing.T, text string, shift int64) {
		at := now + time.Duration(shift%100_000)*time.Second
		for _, p := range []*Provider{public, secret} {
			check(t, p, text, at)
		}
	})
}

// check compares a provider with the library.
func check(t *testing.T, p *Provider, text string, at time.Duration) {
	t.Helper()
	got, r, err := p.verify(&candidate{token: []byte(text), state: present}, at)
	if (got == nil) != (err != nil) || (got != nil) != (r == verified || r == cached) {
		t.Fatalf("%v, %s and %v say different things", got, r, err)
	}
	if got == nil {
		return
	}
	options := []gojwt.ParserOption{
		gojwt.WithStrictDecoding(), gojwt.WithJSONNumber(), gojwt.WithExpirationRequired(), gojwt.WithIssuer(p.Spec.Issuer),
		gojwt.WithAudience(p.Spec.Audiences...), gojwt.WithTimeFunc(func() time.Time { return time.Unix(0, int64(at)) }),
	}
	theirs, err := gojwt.NewParser(options...).Parse(text, func(tok *gojwt.Token) (any, error) {
		if a := algorithmNamed(tok.Method.Alg()); (a.family == hmacFamily) != (p.Spec.Source == SecretSource) {
			return nil, errors.New("of the wrong family")
		}
		return keyring().public(tok.Method.Alg()), nil
	})
	if err != nil {
		t.Fatalf("accepted %s, which the library refuses: %v", text, err)
	}
	if sub, ok := theirs.Claims.(gojwt.MapClaims)["sub"].(string); ok {
		if ours, _ := got.Claim([]string{"sub"}); ours != sub {
			t.Fatalf("sub is %q, and %q to the library", ours, sub)
		}
	}
}

// FuzzSigned signs whatever header and claims there are, so that the signature is
// good and all else is tried.
func FuzzSigned(f *testing.F) {
	f.Add(`{"alg":"EdDSA","kid":"k1"}`, `{"iss":"https://id.example.com","aud":"shop","exp":1700003600,"sub":"ada"}`, int64(0))
	f.Add(`{"alg":"EdDSA","typ":"at+jwt"}`, `{"iss":"https://id.example.com","aud":["a","shop"],"exp":1.7e9,"nbf":1699999999.5,"sub":"ada"}`, int64(-1))
	f.Add(`{"alg":"EdDSA","crit":[]}`, `{"exp":1,"exp":2}`, int64(0))
	f.Add(` {"alg":"EdDSA","b64":true,"x5u":"http://a/"} `, `{"iss":"https:\/\/id.example.com","aud":["shop"],"exp":1e30}`, int64(0))
	p := every(f)
	f.Fuzz(func(t *testing.T, header, claims string, shift int64) {
		text := sign(t, "EdDSA", header, claims, keyring().ed)
		check(t, p, text, now+time.Duration(shift%100_000)*time.Second)
		s := step(t, []*Provider{p}, &RouteSpec{Provider: "main", Headers: []HeaderSpec{{"X-User", "sub"}, {"X-List", "aud"}}, Require: []Requirement{
			{"iss", []Value{{String: new("https://id.example.com")}}},
		}})
		x, _ := exchange("", "Authorization: Bearer "+text)
		if s.Request(x) != (x.Identity != nil) {
			t.Fatal("a request without an identity passed")
		}
		lines, _ := forwarded(x)
		for _, l := range lines {
			if strings.ContainsAny(l, "\r\n\x00\x7f") {
				t.Fatalf("%q goes upstream", l)
			}
		}
	})
}

// FuzzCompact reads anything as a token: what is read is written the same again.
func FuzzCompact(f *testing.F) {
	f.Add([]byte(token(f, "ES256", good(nil))))
	f.Add([]byte("eyJhbGciOiJub25lIn0.e30."))
	f.Add([]byte("eyJhbGciOiJIUzI1NiJ9.e30.AA"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCompact(text)
		if err != nil {
			if c != nil {
				t.Fatal("something and an error")
			}
			return
		}
		if again := c.signed + "." + base64.RawURLEncoding.EncodeToString(c.signature); again != string(text) {
			t.Fatalf("%s is read as %s", text, again)
		}
	})
}

// FuzzObject compares the reader of JSON with the standard library's: what it
// accepts, that accepts with the same meaning, and what it refuses of what that
// accepts it has a reason for.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":[1,2.5e-3,"x\u00e9\ud83d\ude00",null,true,{"b":{}}]}`, ` { "" : -0.0 , "b" : [ ] } `, `{"a":1,"a":2}`, `[1]`, `{"a":01}`, `{"a":1.}`, `{"a":.5}`,
		`{"a":1e}`, `{"a":-}`, `{"a":"\ud800"}`, "{\"a\":\"\x80\"}", `{"a":nul}`, `{"a":tru}`, `{"a":1}}`, `{"a":"\x"}`, "{\"a\":\"\t\"}", `{"\/":"\b\f\n\r\t\"\\"}`, `{"a":"\u00`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseObject(s)
		var theirs map[string]any
		decoder := json.NewDecoder(strings.NewReader(s))
		decoder.UseNumber()
		theirErr := decoder.Decode(&theirs)
		if err == nil {
			if theirErr != nil {
				t.Fatalf("accepted %q: %v", s, theirErr)
			}
			if ours := d.plain(0); !reflect.DeepEqual(ours, any(theirs)) {
				t.Fatalf("%q is %v, and %v to the library", s, ours, theirs)
			}
			return
		}
		if theirErr == nil && theirs != nil && json.Valid([]byte(s)) && errors.Is(err, errSyntax) && utf8.ValidString(s) {
			t.Fatalf("refused %q as no JSON", s)
		}
	})
}

// plain returns the node at i as the standard library has it.
func (d document) plain(i int) any {
	switch n := &d[i]; n.kind {
	case nullKind:
		return nil
	case boolKind:
		return n.text == "true"
	case numberKind:
		return json.Number(n.text)
	case stringKind:
		return n.text
	case arrayKind:
		list := []any{}
		for j := i + 1; j < int(n.end); j = int(d[j].end) {
			list = append(list, d.plain(j))
		}
		return list
	default:
		m := map[string]any{}
		for j := i + 1; j < int(n.end); j = int(d[j].end) {
			m[d[j].name] = d.plain(j)
		}
		return m
	}
}

// FuzzPlaces looks for tokens in any fields and query, and takes them away: then
// there is none.
func FuzzPlaces(f *testing.F) {
	f.Add("session=a; b=c", "token=a&b=c", "Bearer a")
	f.Add("session=\"a\"", "t%6Fken=a&&token", "bearer")
	f.Add(" session = a ;session=b", "%74oken=1&token=2", "Basic a")
	f.Fuzz(func(t *testing.T, cookie, query, authorization string) {
		for _, l := range []Location{{HeaderPlace, "authorization"}, {HeaderPlace, "x-token"}, {CookiePlace, "session"}, {QueryPlace, "token"}} {
			x, _ := exchange(query)
			f := &x.Request.Fields
			f.Foreign("Cookie", cookie)
			f.Foreign("Authorization", authorization)
			f.Foreign("X-Token", authorization)
			p := newPlace(l)
			var c candidate
			p.find(&x.Request, &c)
			if c.state == present && p.Place != HeaderPlace && len(c.token) == 0 {
				t.Fatal("an empty token")
			}
			p.remove(&x.Request)
			c = candidate{}
			if p.find(&x.Request, &c); c.state != absent {
				t.Fatalf("%s is still there: %q", l, c.token)
			}
		}
	})
}
