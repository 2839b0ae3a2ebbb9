package jwt

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// These are the attacks that RFC 8725 and the years before it know of, each with
// the section that warns of it. "k1" is the name of a real key throughout.

// TestNone: section 3.1 and 2.1, a token without a signature.
func TestNone(t *testing.T) {
	p, claims := every(t), encode(good(nil))
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", " none", "none\x00"} {
		for _, signature := range []string{"", "AA", "bm9uZQ"} {
			text := encode(object{"alg": alg, "kid": "k1"}) + "." + claims + "." + signature
			if r := p.judge(text); r != malformed && r != badAlgorithm {
				t.Errorf("alg %q, signature %q: %s", alg, signature, r)
			}
		}
	}
	p.refuses(t, "no alg", encode(object{"kid": "k1"})+"."+claims+".AA", malformed)
	p.refuses(t, "null alg", encode(object{"alg": nil})+"."+claims+".AA", malformed)
	p.refuses(t, "alg of a wrong type", encode(object{"alg": []string{"ES256"}})+"."+claims+".AA", malformed)
}

// TestConfusion: section 3.1, the public key as an HMAC secret in every form
// that the attacker may have it in.
func TestConfusion(t *testing.T) {
	public := keyring().public("RS256").(*rsa.PublicKey)
	pkix, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(public)
	jwk, err := (&jose.JSONWebKey{Key: public, KeyID: "k1", Algorithm: "RS256", Use: "sig"}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{
		pkix, pkcs1, jwk, wholeSet(t), public.N.Bytes(),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}), pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: pkcs1}),
	}
	named := basis()
	named.Algorithms = []string{"RS256", "ES256"}
	for _, p := range []*Provider{every(t), with(t, named, wholeSet(t))} {
		for i, secret := range secrets {
			for _, alg := range []string{"HS256", "HS384", "HS512"} {
				text := sign(t, alg, object{"alg": alg, "kid": "k1"}, good(nil), secret)
				if r := p.judge(text); r != badAlgorithm {
					t.Errorf("secret %d by %s: %s", i, alg, r)
				}
			}
		}
	}
}

// TestFamiliesStayApart: section 3.1, one kind of signature under another's name.
func TestFamiliesStayApart(t *testing.T) {
	p := every(t)
	for _, said := range allAlgorithms {
		for _, used := range allAlgorithms {
			if said.name == used.name {
				continue
			}
			text := sign(t, used.name, object{"alg": said.name, "kid": "k1"}, good(nil), keyring().private(used.name))
			if r := p.judge(text); r != badSignature && r != badAlgorithm {
				t.Errorf("%s under the name of %s: %s", used.name, said.name, r)
			}
		}
	}
}

// TestAlgorithmOfKey: section 3.1, a key is used with the algorithm that it
// declares only, and with those that the provider names.
func TestAlgorithmOfKey(t *testing.T) {
	m := keyring()
	key := func(alg string) jose.JSONWebKey {
		return jose.JSONWebKey{Key: m.public("RS256"), KeyID: "k1", Algorithm: alg}
	}
	for _, c := range []struct {
		name, declared string
		named          []string
		good, bad      []string
	}{
		{"declared", "PS256", nil, []string{"PS256"}, []string{"RS256", "PS384"}},
		{"undeclared is RS256", "", nil, []string{"RS256"}, []string{"RS512", "PS256"}},
		{"named", "", []string{"PS512", "RS384"}, []string{"PS512", "RS384"}, []string{"RS256", "PS256"}},
		{"named and declared", "RS256", []string{"RS256", "PS256"}, []string{"RS256"}, []string{"PS256"}},
	} {
		s := basis()
		s.Algorithms = c.named
		p := with(t, s, jwks(t, key(c.declared)))
		for _, alg := range c.good {
			p.refuses(t, c.name, token(t, alg, good(nil)), verified)
		}
		for _, alg := range c.bad {
			p.refuses(t, c.name, token(t, alg, good(nil)), badAlgorithm)
		}
	}
}

// TestKeysThatDontFit: section 3.2 and 3.3, keys that are weak, or made for
// something else, are as if they weren't there.
func TestKeysThatDontFit(t *testing.T) {
	m := keyring()
	ec := m.public("ES256")
	weak := &rsa.PublicKey{N: new(big.Int).Rsh(m.rsa.N, 1024), E: 65537}
	weak.N.SetBit(weak.N, 0, 1)
	one := func(k jose.JSONWebKey) []byte { k.KeyID = "k1"; return jwks(t, k) }
	text := func(s string) []byte { return []byte(`{"keys":[` + s + `]}`) }
	x := `"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	for name, raw := range map[string][]byte{
		"for encryption":           one(jose.JSONWebKey{Key: ec, Use: "enc"}),
		"key_ops without verify":   text(`{` + x + `,"key_ops":["sign"]}`),
		"no key_ops at all":        text(`{` + x + `,"key_ops":[]}`),
		"RSA of 1024 bits":         one(jose.JSONWebKey{Key: weak}),
		"even exponent":            one(jose.JSONWebKey{Key: &rsa.PublicKey{N: m.rsa.N, E: 65536}}),
		"even modulus":             one(jose.JSONWebKey{Key: &rsa.PublicKey{N: new(big.Int).Add(m.rsa.N, big.NewInt(1)), E: 65537}}),
		"another curve's alg":      one(jose.JSONWebKey{Key: ec, Algorithm: "ES384"}),
		"another family's alg":     one(jose.JSONWebKey{Key: ec, Algorithm: "RS256"}),
		"an alg of encryption":     one(jose.JSONWebKey{Key: ec, Algorithm: "ECDH-ES"}),
		"alg none":                 one(jose.JSONWebKey{Key: ec, Algorithm: "none"}),
		"a secret nobody named":    one(jose.JSONWebKey{Key: m.secret, Algorithm: "HS256"}),
		"a point off the curve":    text(strings.Replace(`{`+x+`}`, "x_FEzRu9", "y_FEzRu9", 1)),
		"another curve's point":    text(strings.Replace(`{`+x+`}`, "P-256", "P-384", 1)),
		"an unknown curve":         text(strings.Replace(`{`+x+`}`, "P-256", "secp256k1", 1)),
		"an unknown type":          text(`{"kty":"XYZ","x":"AA"}`),
		"no type":                  text(`{"x":"AA"}`),
		"an Ed25519 key too short": text(`{"kty":"OKP","crv":"Ed25519","x":"AAAA"}`),
		"a low-order Ed25519 key":  text(`{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`),
		"duplicate members":        text(`{` + x + `,"kty":"EC"}`),
		"nothing":                  text(``),
		"no keys":                  []byte(`{}`),
		"not a set":                []byte(`[]`),
		"not JSON":                 []byte(`<html>`),
	} {
		p := newProvider(basis(), new(Counters))
		if _, err := p.install(raw); err == nil || p.keys.Load() != nil {
			t.Errorf("%s: installed %+v", name, p.keys.Load())
		}
	}
}

// TestPrivateKeysAreHalved: a key set with key pairs serves by its public halves.
func TestPrivateKeysAreHalved(t *testing.T) {
	m := keyring()
	p := with(t, basis(), jwks(t,
		jose.JSONWebKey{Key: m.rsa, KeyID: "k1"}, jose.JSONWebKey{Key: m.ec["ES256"], KeyID: "k1"}, jose.JSONWebKey{Key: m.ed, KeyID: "k1"}))
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		p.refuses(t, alg, token(t, alg, good(nil)), verified)
	}
}

// TestSecretLength: section 3.5, secrets shorter than the hash (RFC 7518 section
// 3.2).
func TestSecretLength(t *testing.T) {
	for alg, least := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} {
		a := algorithmNamed(alg)
		for _, n := range []int{0, 1, least - 1} {
			if _, err := parseSecret([]byte(strings.Repeat("k", n)), a.bit); err == nil {
				t.Errorf("%s took a secret of %d bytes", alg, n)
			}
			jwk := jwks(t, jose.JSONWebKey{Key: []byte(strings.Repeat("k", n)), KeyID: "k1", Algorithm: alg})
			if _, err := parseKeySet(jwk, a.bit); err == nil {
				t.Errorf("%s took a key of %d bytes", alg, n)
			}
		}
		if _, err := parseSecret([]byte(strings.Repeat("k", least)), a.bit); err != nil {
			t.Error(err)
		}
		if _, err := parseSecret([]byte(strings.Repeat("k", least-1)+"\n"), a.bit); err == nil {
			t.Errorf("%s counted the newline in", alg)
		}
	}
	if _, err := parseSecret([]byte(strings.Repeat("k", 40)), named([]string{"HS256", "HS512"})); err == nil {
		t.Error("a secret too short for one of two algorithms was taken")
	}
}

// TestSecretsNewline drops one newline at the end of a secret and no more.
func TestSecretsNewline(t *testing.T) {
	s := basis()
	s.Source, s.Algorithms = SecretSource, []string{"HS256"}
	secret := string(keyring().secret)
	for content, key := range map[string]string{secret: secret, secret + "\n": secret, secret + "\n\n": secret + "\n", " " + secret: " " + secret} {
		p := with(t, s, []byte(content))
		p.refuses(t, "its own", sign(t, "HS256", object{"alg": "HS256"}, good(nil), []byte(key)), verified)
		p.refuses(t, "another", sign(t, "HS256", object{"alg": "HS256"}, good(nil), []byte(key+"x")), badSignature)
	}
}

// TestCritical: RFC 7515 section 4.1.11, extensions that must be understood.
func TestCritical(t *testing.T) {
	p, key := every(t), keyring().private("ES256")
	for name, crit := range map[string]any{
		"an extension": []string{"x"}, "b64": []string{"b64"}, "exp": []string{"exp"}, "nothing": []string{}, "null": nil, "a string": "x",
	} {
		text := sign(t, "ES256", object{"alg": "ES256", "kid": "k1", "crit": crit, "x": 1, "b64": true}, good(nil), key)
		p.refuses(t, name, text, malformed)
	}
}

// TestUnencoded: RFC 7797, whose payload is not what it looks like.
func TestUnencoded(t *testing.T) {
	p, key := every(t), keyring().private("ES256")
	for name, b64 := range map[string]any{"false": false, "null": nil, "a string": "true", "a number": 1} {
		p.refuses(t, name, sign(t, "ES256", object{"alg": "ES256", "kid": "k1", "b64": b64}, good(nil), key), malformed)
	}
	p.refuses(t, "the default", sign(t, "ES256", object{"alg": "ES256", "kid": "k1", "b64": true}, good(nil), key), verified)
}

// TestKeyID: section 3.10, a kid is compared and nothing else: it opens no file
// and asks no database.
func TestKeyID(t *testing.T) {
	p, key := every(t), keyring().private("ES256")
	for _, kid := range []string{"../../../../dev/null", "/dev/null", "' OR 1=1 --", "k1\x00", "K1", "k1 ", strings.Repeat("k", 5000), "http://127.0.0.1/", "`id`", "ｋ1"} {
		p.refuses(t, kid, sign(t, "ES256", object{"alg": "ES256", "kid": kid}, good(nil), key), unknownKey)
	}
	for _, kid := range []any{1, nil, true, []string{"k1"}, object{"k1": 1}} {
		p.refuses(t, "wrong type", sign(t, "ES256", object{"alg": "ES256", "kid": kid}, good(nil), key), malformed)
	}
	p.refuses(t, "none", sign(t, "ES256", object{"alg": "ES256"}, good(nil), key), verified)
	p.refuses(t, "empty", sign(t, "ES256", object{"alg": "ES256", "kid": ""}, good(nil), key), verified)
}

// TestEmbeddedKeys: section 3.10, keys that a token brings or points to.
func TestEmbeddedKeys(t *testing.T) {
	p, m := every(t), keyring()
	mine := jose.JSONWebKey{Key: m.other.Public(), KeyID: "k1", Algorithm: "RS256"}
	for name, header := range map[string]object{
		"jwk": {"jwk": mine}, "jku": {"jku": "https://evil.example/jwks.json"}, "x5u": {"x5u": "https://evil.example/cert.pem"},
		"x5c": {"x5c": []string{base64.StdEncoding.EncodeToString([]byte("certificate"))}},
		"all": {"jwk": mine, "jku": "file:///dev/null", "x5u": "http://127.0.0.1/", "x5t": "AA"},
	} {
		header["alg"], header["kid"] = "RS256", "k1"
		p.refuses(t, name, sign(t, "RS256", header, good(nil), m.other), badSignature)
		p.refuses(t, name+", ignored", sign(t, "RS256", header, good(nil), m.rsa), verified)
		delete(header, "kid")
		p.refuses(t, name+", unnamed", sign(t, "RS256", header, good(nil), m.other), badSignature)
	}
}

// TestType: section 3.11, tokens that say they are for something else.
func TestType(t *testing.T) {
	p, key := every(t), keyring().private("ES256")
	for typ, want := range map[string]result{
		"JWT": verified, "jwt": verified, "at+jwt": verified, "application/at+JWT": verified, "JOSE": verified,
		"logout+jwt": malformed, "dpop+jwt": malformed, "application/secevent+jwt": malformed, "DPoP+JWT": malformed, "kb+jwt": malformed,
	} {
		p.refuses(t, typ, sign(t, "ES256", object{"alg": "ES256", "kid": "k1", "typ": typ}, good(nil), key), want)
	}
	p.refuses(t, "a number", sign(t, "ES256", object{"alg": "ES256", "kid": "k1", "typ": 1}, good(nil), key), malformed)
}

// TestMalleable: a token has one spelling. Another one that decodes to the same
// would escape a list of revoked tokens and fill a cache.
func TestMalleable(t *testing.T) {
	p := every(t)
	plain := token(t, "ES256", good(nil))
	p.refuses(t, "plain", plain, verified)
	parts := strings.Split(plain, ".")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	tried := 0
	for i, part := range parts {
		if len(part)%4 == 0 {
			continue // no spare bits
		}
		last := strings.IndexByte(alphabet, part[len(part)-1])
		changed := append([]string(nil), parts...)
		changed[i] = part[:len(part)-1] + string(alphabet[last^1])
		if r := p.judge(strings.Join(changed, ".")); r == verified || r == cached {
			t.Errorf("spare bits in part %d: %s", i, r)
		}
		tried++
	}
	if tried == 0 {
		t.Error("no part had spare bits")
	}
	for name, text := range map[string]string{
		"padding": plain + "=", "more padding": plain + "==", "padding within": parts[0] + "=." + parts[1] + "." + parts[2],
		"newline": plain + "\n", "carriage return": plain[:20] + "\r\n" + plain[20:], "space": plain + " ", "space before": " " + plain,
		"nul": plain + "\x00", "plus": strings.ReplaceAll(plain, "-", "+") + "+", "slash": plain + "/", "fourth part": plain + ".", "fifth part": plain + "..",
		"dot before": "." + plain, "no header": "." + parts[1] + "." + parts[2], "no payload": parts[0] + ".." + parts[2], "no signature": parts[0] + "." + parts[1] + ".",
		"two parts": parts[0] + "." + parts[1], "one part": parts[0], "nothing": "", "dots": "..", "unicode": plain + "é",
		"encrypted": parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[1] + "." + parts[2],
	} {
		p.refuses(t, name, text, malformed)
	}
	p.refuses(t, "one letter more", plain+"A", badSignature)
}

// TestDuplicateMembers: RFC 7519 section 4, of which readers take different ones.
func TestDuplicateMembers(t *testing.T) {
	p, key := every(t), keyring().private("ES256")
	claims := func(more string) string {
		return `{"iss":"https://id.example.com","aud":"shop","exp":1700003600,"sub":"ada"` + more + `}`
	}
	header := `{"alg":"ES256","kid":"k1"}`
	p.refuses(t, "once each", sign(t, "ES256", header, claims(""), key), verified)
	for _, more := range []string{
		`,"sub":"root"`, `,"\u0073ub":"root"`, `,"exp":1700003600`, `,"a":{"b":1,"b":2}`, `,"a":[{"b":1,"\u0062":2}]`, `,"":1,"":2`,
		`,"a1":0,"a2":0,"a3":0,"a4":0,"a5":0,"a6":0,"a7":0,"a8":0,"a9":0,"b1":0,"b2":0,"b3":0,"b4":0,"b5":0,"b6":0,"b7":0,"b8":0,"b9":0,"c1":0,"c2":0,"c3":0,"c4":0,"a1":1`,
	} {
		p.refuses(t, more, sign(t, "ES256", header, claims(more), key), malformed)
	}
	for _, h := range []string{`{"alg":"none","alg":"ES256","kid":"k1"}`, `{"alg":"ES256","alg":"ES256","kid":"k1"}`, `{"alg":"ES256","kid":"k1","\u0061lg":"HS256"}`} {
		p.refuses(t, h, sign(t, "ES256", h, claims(""), key), malformed)
	}
	// Names are compared as they are: SUB is another claim.
	p.refuses(t, "another case", sign(t, "ES256", header, claims(`,"SUB":"root"`), key), verified)
}

// TestSubstitution: section 3.8 and 3.9, tokens of one issuer or for one audience
// shown to another.
func TestSubstitution(t *testing.T) {
	p := every(t)
	other := basis()
	other.Name, other.Issuer, other.Audiences = "other", "https://other.example.com", []string{"bank"}
	q := with(t, other, jwks(t, jose.JSONWebKey{Key: keyring().other.Public(), KeyID: "k1", Algorithm: "RS256"}))
	theirs := sign(t, "RS256", object{"alg": "RS256", "kid": "k1"}, good(object{"iss": other.Issuer, "aud": "bank"}), keyring().other)
	q.refuses(t, "at home", theirs, verified)
	p.refuses(t, "abroad", theirs, badIssuer)
	forged := sign(t, "RS256", object{"alg": "RS256", "kid": "k1"}, good(nil), keyring().other)
	p.refuses(t, "their key under our name", forged, badSignature)
	for name, iss := range map[string]any{"none": nil, "empty": "", "a list": []string{"https://id.example.com"}, "a number": 1, "a prefix": "https://id.example", "a slash more": "https://id.example.com/", "another case": "https://ID.example.com"} {
		p.refuses(t, "issuer "+name, token(t, "ES256", good(object{"iss": iss})), badIssuer)
	}
}

// TestAudience: section 3.9.
func TestAudience(t *testing.T) {
	s := basis()
	s.Audiences = []string{"shop", "https://shop.example.com"}
	p := with(t, s, wholeSet(t))
	for name, aud := range map[string]any{"string": "shop", "the other one": "https://shop.example.com", "list": []string{"bank", "shop"}, "list of one": []string{"shop"}} {
		p.refuses(t, name, token(t, "ES256", good(object{"aud": aud})), verified)
	}
	for name, aud := range map[string]any{
		"none": nil, "empty": "", "another": "bank", "empty list": []string{}, "others": []string{"bank", "shops"}, "a prefix": "sho", "a number": 1,
		"a list with a number": []any{"shop", 1}, "an object": object{"shop": true}, "nested": []any{[]string{"shop"}}, "words": "shop bank",
	} {
		p.refuses(t, name, token(t, "ES256", good(object{"aud": aud})), badAudience)
	}
	s.Audiences = nil
	with(t, s, wholeSet(t)).refuses(t, "anybody's", token(t, "ES256", good(object{"aud": 5})), verified)
}

// TestECDSASignatures: section 3.4 and RFC 7518 section 3.4, r and s that are no
// numbers of the group, or not of the length.
func TestECDSASignatures(t *testing.T) {
	p := every(t)
	for alg, size := range map[string]int{"ES256": 32, "ES384": 48, "ES512": 66} {
		text := token(t, alg, good(nil))
		signed := text[:strings.LastIndexByte(text, '.')]
		order := keyring().ec[alg].Params().N.FillBytes(make([]byte, size))
		zero, one := make([]byte, size), make([]byte, size)
		one[size-1] = 1
		whole, err := strict.DecodeString(text[len(signed)+1:])
		if err != nil || len(whole) != 2*size {
			t.Fatalf("%s: a signature of %d bytes", alg, len(whole))
		}
		join := func(parts ...[]byte) (b []byte) {
			for _, p := range parts {
				b = append(b, p...)
			}
			return b
		}
		for name, signature := range map[string][]byte{
			"zeroes": join(zero, zero), "r is 0": join(zero, one), "s is 0": join(one, zero), "ones": join(one, one), "r is the order": join(order, one),
			"s is the order": join(one, order), "swapped": join(whole[size:], whole[:size]), "cut": whole[:2*size-1], "longer": join(whole, []byte{0}),
			"led by a zero": join([]byte{0}, whole), "r only": whole[:size], "twice": join(whole, whole), "ASN.1": {0x30, 6, 2, 1, 1, 2, 1, 1},
		} {
			p.refuses(t, alg+" "+name, signed+"."+base64.RawURLEncoding.EncodeToString(signature), badSignature)
		}
	}
}

// TestPSSSalt: RFC 7518 section 3.5, the salt is as long as the hash.
func TestPSSSalt(t *testing.T) {
	p := every(t)
	for salt, want := range map[int]result{rsa.PSSSaltLengthEqualsHash: verified, 1: badSignature, 20: badSignature, rsa.PSSSaltLengthAuto: badSignature} {
		signed := encode(object{"alg": "PS256", "kid": "k1", "salt": salt}) + "." + encode(good(nil))
		sum := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPSS(rand.Reader, keyring().rsa, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		p.refuses(t, "salt", signed+"."+base64.RawURLEncoding.EncodeToString(signature), want)
	}
}

// TestTimes: the moments around exp and nbf, which are inclusive as RFC 7519
// says: not on or after exp, not before nbf.
func TestTimes(t *testing.T) {
	const n = int64(now / time.Second)
	for _, c := range []struct {
		name   string
		claims object
		skew   time.Duration
		at     time.Duration
		want   result
	}{
		{"just before exp", object{"exp": n}, 0, now - 1, verified},
		{"at exp", object{"exp": n}, 0, now, expired},
		{"within the skew", object{"exp": n}, 30 * time.Second, now + 30*time.Second - 1, verified},
		{"at the end of the skew", object{"exp": n}, 30 * time.Second, now + 30*time.Second, expired},
		{"just before nbf", object{"nbf": n}, 0, now - 1, notYetValid},
		{"at nbf", object{"nbf": n}, 0, now, verified},
		{"within the skew of nbf", object{"nbf": n + 30}, 30 * time.Second, now, verified},
		{"before the skew of nbf", object{"nbf": n + 30}, 30 * time.Second, now - 1, notYetValid},
		{"a fraction of exp is cut", object{"exp": float64(n) + 0.9}, 0, now, expired},
		{"a fraction of nbf is not", object{"nbf": float64(n) + 0.1}, 0, now, notYetValid},
		{"with an exponent", object{"exp": raw("1.7000001e9")}, 0, now, verified},
		{"far", object{"exp": 253402300799}, 0, now, verified},
		{"beyond", object{"exp": 253402300800}, 0, now, malformed},
		{"far beyond", object{"exp": raw("1e300")}, 0, now, malformed},
		{"infinite", object{"exp": raw("1e999")}, 0, now, malformed},
		{"negative", object{"exp": -5}, 0, now, expired},
		{"zero", object{"exp": 0}, 0, now, expired},
		{"a string", object{"exp": "1700003600"}, 0, now, malformed},
		{"null", object{"exp": raw("null")}, 0, now, malformed},
		{"a list", object{"exp": []int64{n + 5}}, 0, now, malformed},
		{"true", object{"exp": true}, 0, now, malformed},
		{"nbf is a string", object{"nbf": "0"}, 0, now, malformed},
		{"nbf is negative", object{"nbf": -1}, 0, now, verified},
		{"iat in the future", object{"iat": n + 5000}, 0, now, verified},
		{"missing", object{"exp": nil}, 0, now, malformed},
	} {
		s := basis()
		s.ClockSkew = c.skew
		p := with(t, s, wholeSet(t))
		_, r, _ := p.verify(&candidate{token: []byte(token(t, "EdDSA", good(c.claims))), state: present}, c.at)
		if r != c.want {
			t.Errorf("%s: %s, want %s", c.name, r, c.want)
		}
	}
	s := basis()
	s.RequireExp = false
	p := with(t, s, wholeSet(t))
	p.refuses(t, "missing, and not required", token(t, "EdDSA", good(object{"exp": nil})), verified)
}

// TestHuge: section 3.2 of RFC 8725's threat model by size: long tokens, deep and
// wide JSON.
func TestHuge(t *testing.T) {
	p, key := every(t), keyring().private("EdDSA")
	header := object{"alg": "EdDSA", "kid": "k1"}
	claims := func(more string) string {
		return `{"iss":"https://id.example.com","aud":"shop","exp":1700003600,"a":` + more + `}`
	}
	for name, c := range map[string]struct {
		more string
		want result
	}{
		"long":          {`"` + strings.Repeat("x", 10<<10) + `"`, verified},
		"too long":      {`"` + strings.Repeat("x", MaxToken) + `"`, malformed},
		"deep":          {strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), verified},
		"too deep":      {strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), malformed},
		"bottomless":    {strings.Repeat("[", 9000), malformed},
		"objects":       {strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000), malformed},
		"wide":          {"[" + strings.Repeat("1,", 3000) + "1]", verified},
		"too wide":      {"[" + strings.Repeat("1,", 5000) + "1]", malformed},
		"a long number": {strings.Repeat("9", 9000), verified},
	} {
		p.refuses(t, name, sign(t, "EdDSA", header, claims(c.more), key), c.want)
	}
	p.refuses(t, "a megabyte", strings.Repeat("A", 1<<20), malformed)
}

// TestText: names and values that look like others.
func TestText(t *testing.T) {
	p, key := every(t), keyring().private("EdDSA")
	header := object{"alg": "EdDSA", "kid": "k1"}
	claims := func(iss string) string { return `{"iss":` + iss + `,"aud":"shop","exp":1700003600}` }
	for iss, want := range map[string]result{
		`"https:\/\/id.example.com"`:           verified, // an escape is no difference
		`"\u0068ttps://id.example.com"`:        verified,
		`"https://id.example.com\u0000"`:       badIssuer,
		`"https://id.example.com\u200b"`:       badIssuer,
		`"https://id.example\u2024com"`:        badIssuer,
		`"ｈttps://id.example.com"`:             badIssuer,
		"\"https://id.example.com\xff\"":       malformed,
		"\"https://id.example.com\xc0\x80\"":   malformed,
		`"https://id.example.com\ud800"`:       malformed,
		`"https://id.example.com\udc00\ud83"`:  malformed,
		`"https://id.example.com\ud800\u0041"`: malformed,
		"\"https://id.example.com\n\"":         malformed,
		`"https://id.example.com\x"`:           malformed,
	} {
		p.refuses(t, iss, sign(t, "EdDSA", header, claims(iss), key), want)
	}
	whole := claims(`"https://id.example.com"`)
	for name, text := range map[string]string{
		"trailing": whole + "x", "two": whole + whole, "BOM": "\ufeff" + whole, "comment": whole + "//", "comma": strings.TrimSuffix(whole, "}") + ",}",
		"list": "[" + whole + "]", "string": `"x"`, "null": "null", "cut": whole[:len(whole)-1], "single quotes": strings.ReplaceAll(whole, `"`, "'"), "UTF-16": "{\x00}\x00",
	} {
		p.refuses(t, name, sign(t, "EdDSA", header, text, key), malformed)
	}
	p.refuses(t, "white space", sign(t, "EdDSA", header, " \r\n\t"+whole+"\n", key), verified)
}

// raw is JSON as it is written.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }
