//go:build e2e

package e2e

import (
	"bytes"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// resigned returns a token with another signature.
func resigned(token string, change func(signature []byte) []byte) string {
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		panic(err) // the test's own token
	}
	return token[:dot+1] + base64.RawURLEncoding.EncodeToString(change(signature))
}

// respelt returns a token whose last character has bits set that no encoder sets,
// and that a careless decoder ignores.
func respelt(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + alphabet[last|1:last|1+1]
}

func TestTokens(t *testing.T) {
	t.Parallel()
	rs, es, ed := harness.NewKey(t, "RS256", "rs"), harness.NewKey(t, "ES256", "es"), harness.NewKey(t, "EdDSA", "ed")
	file := keyFile(t, rs, es, ed)
	w := newWorld(t, 1, provider("declared", localKeys(file), "")+
		provider("named", localKeys(file), `algorithms = ["RS256", "ES256", "EdDSA"]`)+
		provider("only_rs", localKeys(file), `algorithms = ["RS256"]`)+
		guarded("declared", "declared", "", "")+guarded("named", "named", "", "")+guarded("only_rs", "only_rs", "", "")+
		guarded("optional", "declared", "optional = true", ""))

	paths := []string{"/declared", "/named", "/optional"}
	good := func(what, token string) {
		t.Helper()
		for _, path := range paths {
			accepted(t, path+", "+what, w.gateway.Get(path, bearer(token)))
		}
	}
	bad := func(what, token string) {
		t.Helper()
		before := w.orders[0].Served()
		for _, path := range paths {
			rejected(t, path+", "+what, w.gateway.Get(path, bearer(token)))
		}
		if served := w.orders[0].Served() - before; served != 0 {
			t.Errorf("%s: %d requests reached the instance", what, served)
		}
	}
	ada := person("ada")
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }

	for _, k := range []*harness.Key{rs, es, ed} {
		good(k.Algorithm, k.Token(ada))
		good(k.Algorithm+", one of several audiences", k.Token(ada.With("aud", []string{"bank", "shop"})))
		good(k.Algorithm+", without a kid", k.TokenWith(k.Header().With("kid", nil), ada))
		good(k.Algorithm+", within the skew", k.Token(ada.With("exp", at(-10*time.Second)).With("nbf", at(10*time.Second))))

		for what, claims := range map[string]harness.Claims{
			"expired":             ada.With("exp", at(-time.Minute)),
			"expires as text":     ada.With("exp", fmt.Sprint(at(time.Hour))),
			"never expires":       ada.With("exp", nil),
			"not yet valid":       ada.With("nbf", at(time.Minute)),
			"another issuer":      ada.With("iss", "https://evil.example"),
			"an issuer like it":   ada.With("iss", issuer+"/"),
			"no issuer":           ada.With("iss", nil),
			"another audience":    ada.With("aud", "bank"),
			"an audience like it": ada.With("aud", []string{"shop2", "Shop", "sho"}),
			"no audience":         ada.With("aud", nil),
			"an audience no text": ada.With("aud", map[string]any{"shop": true}),
		} {
			bad(k.Algorithm+", "+what, k.Token(claims))
		}
		bad(k.Algorithm+", another key of that name", harness.NewKey(t, k.Algorithm, k.ID).Token(ada))
		bad(k.Algorithm+", another key without a name", harness.NewKey(t, k.Algorithm, "").Token(ada))
		bad(k.Algorithm+", an unknown key", harness.NewKey(t, k.Algorithm, "new").Token(ada))
		bad(k.Algorithm+", critical extensions", k.TokenWith(k.Header().With("crit", []string{"x"}).With("x", 1), ada))
		bad(k.Algorithm+", no critical extensions", k.TokenWith(k.Header().With("crit", []string{}), ada))
		bad(k.Algorithm+", an unencoded payload", k.TokenWith(k.Header().With("b64", false), ada))
		bad(k.Algorithm+", a token of another kind", k.TokenWith(k.Header().With("typ", "logout+jwt"), ada))
		// A key that the token brings along is its bearer's own.
		own := harness.NewKey(t, k.Algorithm, k.ID)
		bad(k.Algorithm+", its own key", own.TokenWith(k.Header().With("jwk", own.JWK()), ada))

		// One token has one spelling, and a signature one form.
		token := k.Token(ada)
		head, rest, _ := strings.Cut(token, ".")
		payload, signature, _ := strings.Cut(rest, ".")
		for what, twin := range map[string]string{
			"bits that no encoder sets": respelt(token),
			"padding":                   token + "==",
			"one more byte":             resigned(token, func(s []byte) []byte { return append(s, 0) }),
			"one leading zero":          resigned(token, func(s []byte) []byte { return append([]byte{0}, s...) }),
			"one byte less":             resigned(token, func(s []byte) []byte { return s[:len(s)-1] }),
			"no signature":              head + "." + payload + ".",
			"two parts":                 head + "." + payload,
			"four parts":                token + "." + signature,
			"no payload":                head + ".." + signature,
			"another's payload":         head + "." + strings.Split(k.Token(person("eve")), ".")[1] + "." + signature,
			"all zeros":                 resigned(token, func(s []byte) []byte { return make([]byte, len(s)) }),
		} {
			bad(k.Algorithm+", "+what, twin)
		}

		// The algorithm is not the client's to choose.
		for _, none := range []string{"none", "None", "NONE", "nOnE", ""} {
			bad(k.Algorithm+", alg "+none, harness.Unsigned(t, k.Header().With("alg", none), ada))
			bad(k.Algorithm+", signed alg "+none, k.TokenWith(k.Header().With("alg", none), ada))
		}
		jwk, err := json.Marshal(k.JWK())
		if err != nil {
			t.Fatal(err)
		}
		for what, public := range map[string][]byte{
			"PEM":       pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.Public()}),
			"PEM, trim": bytes.TrimSpace(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.Public()})),
			"DER":       k.Public(),
			"JWK":       jwk,
			"the set":   harness.KeySet(t, rs, es, ed),
			"empty":     {},
		} {
			confused := harness.NewSecret(t, public)
			bad("HS256 by the public "+k.Algorithm+" key, "+what, confused.TokenWith(k.Header().With("alg", "HS256"), ada))
			bad(k.Algorithm+" that is HMAC, "+what, confused.TokenWith(k.Header(), ada))
		}
		for _, o := range []*harness.Key{rs, es, ed} {
			if o != k {
				bad(k.Algorithm+" under the name of "+o.Algorithm, k.TokenWith(o.Header(), ada))
				bad(k.Algorithm+" under the kid of "+o.Algorithm, k.TokenWith(k.Header().With("kid", o.ID), ada))
			}
		}
	}

	accepted(t, "a named algorithm", w.gateway.Get("/only_rs", bearer(rs.Token(ada))))
	for _, k := range []*harness.Key{es, ed} {
		rejected(t, k.Algorithm+" where RS256 alone is named", w.gateway.Get("/only_rs", bearer(k.Token(ada))))
	}

	// Ed25519 has one S for a signature (RFC 8032 section 5.1.7): S + L is not it.
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	bad("EdDSA, S + L", resigned(ed.Token(ada), func(s []byte) []byte {
		half := slices.Clone(s[32:])
		slices.Reverse(half)
		sum := new(big.Int).Add(new(big.Int).SetBytes(half), order).FillBytes(make([]byte, 32))
		slices.Reverse(sum)
		return append(slices.Clone(s[:32]), sum...)
	}))
	// ECDSA has two, and anybody can make the one of the other: beyond the order
	// of the curve it has none, and neither is it one in DER.
	n := elliptic.P256().Params().N
	bad("ES256, s + n", resigned(es.Token(ada), func(s []byte) []byte {
		sum := new(big.Int).Add(new(big.Int).SetBytes(s[32:]), n)
		return append(slices.Clone(s[:32]), sum.FillBytes(make([]byte, 33))[1:]...)
	}))
	bad("ES256 in DER", resigned(es.Token(ada), func(s []byte) []byte {
		return append(append([]byte{0x30, 68, 2, 32}, s[:32]...), append([]byte{2, 32}, s[32:]...)...)
	}))

	twice := w.gateway.Get("/declared", bearer(rs.Token(ada)), bearer(rs.Token(ada)))
	rejected(t, "two fields", twice)
	rejected(t, "two fields, the second bad", w.gateway.Get("/declared", bearer(rs.Token(ada)), bearer("nonsense")))
	rejected(t, "two fields, one of another scheme", w.gateway.Get("/declared", bearer(rs.Token(ada)), "Authorization: Basic YTpi"))
	rejected(t, "two in one field", w.gateway.Get("/declared", bearer(rs.Token(ada)+", Bearer "+rs.Token(ada))))
	rejected(t, "far too long", w.gateway.Get("/declared", bearer(rs.Token(ada.With("pad", strings.Repeat("x", 20_000))))))
	accepted(t, "the scheme in other letters", w.gateway.Get("/declared", "authorization: bEARER "+rs.Token(ada)))
	for _, scheme := range []string{"Basic ", "Token ", "Bearer", ""} {
		a := w.gateway.Get("/declared", "Authorization: "+scheme+rs.Token(ada))
		if a.Status != http.StatusUnauthorized || a.Problem(t).Type != problemType("token-missing") {
			t.Errorf("the scheme %q: %d %s", scheme, a.Status, a.Body)
		}
	}
}

// A token is taken from where the policy says, does not go further unless it
// says so, and stands in no log.
func TestTokenLocations(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t, "ES256", "one")
	keys := localKeys(keyFile(t, key))
	user := `claims_to_headers = { "X-User" = "sub" }`
	w := newWorld(t, 1, provider("anywhere", keys, `locations = ["header:Authorization", "cookie:visit", "query:v", "header:X-Pass"]`)+
		provider("cookie", keys, `locations = ["cookie:visit"]`)+
		guarded("keeps", "anywhere", user, "")+
		guarded("strips", "anywhere", user+"\nforward = false", "")+
		guarded("cookie", "cookie", user, ""))
	ada, eve := key.Token(person("ada")), key.Token(person("eve"))

	for _, test := range []struct {
		what, query string
		fields      []string
		// What is left of it upstream where tokens go no further.
		wantQuery, wantCookie string
	}{
		{"header", "?a=%20b&c", []string{bearer(ada)}, "?a=%20b&c", ""},
		{"cookie", "", []string{"Cookie: a=1; visit=" + ada + "; b=2"}, "", "a=1; b=2"},
		{"quoted cookie", "", []string{`Cookie: visit="` + ada + `"`}, "", ""},
		{"query", "?a=%20b&v=" + ada + "&&c=1+2", nil, "?a=%20b&&c=1+2", ""},
		{"escaped query", "?%76=" + ada, nil, "", ""},
		{"own field", "", []string{"X-Pass: " + ada}, "", ""},
		// The first location that has one decides, and the others' go nowhere.
		{"header before all", "?v=" + eve, []string{bearer(ada), "Cookie: visit=" + eve, "X-Pass: " + eve}, "", ""},
		{"cookie before query", "?v=" + eve, []string{"Cookie: visit=" + ada}, "", ""},
	} {
		for _, path := range []string{"/keeps", "/strips"} {
			e := accepted(t, path+", "+test.what, w.gateway.Get(path+test.query, test.fields...))
			if got := e.Header.Get("X-User"); got != "ada" {
				t.Errorf("%s, %s: the user is %q", path, test.what, got)
			}
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if contains(text, eve) {
				t.Errorf("%s, %s: a token that nobody verified went upstream: %s", path, test.what, text)
			}
			if kept := contains(text, ada); kept != (path == "/keeps") {
				t.Errorf("%s, %s: the token went upstream: %v", path, test.what, kept)
			}
			if path == "/strips" && (e.RequestURI != path+test.wantQuery || e.Header.Get("Cookie") != test.wantCookie) {
				t.Errorf("%s: upstream %s with the cookies %q, want %s with %q",
					test.what, e.RequestURI, e.Header.Get("Cookie"), path+test.wantQuery, test.wantCookie)
			}
		}
	}

	// Nowhere else, and not where two are.
	for what, a := range map[string]harness.Answer{
		"a header where cookies count": w.gateway.Get("/cookie", bearer(ada)),
		"another cookie":               w.gateway.Get("/cookie", "Cookie: Visit="+ada+"; visited="+ada),
		"a query where cookies count":  w.gateway.Get("/cookie?v=" + ada),
		"another parameter":            w.gateway.Get("/keeps?V=" + ada),
	} {
		if a.Status != http.StatusUnauthorized || a.Problem(t).Type != problemType("token-missing") {
			t.Errorf("%s: %d %s", what, a.Status, a.Body)
		}
	}
	rejected(t, "two cookies", w.gateway.Get("/cookie", "Cookie: visit="+ada+"; visit="+ada))
	rejected(t, "two cookie fields", w.gateway.Get("/cookie", "Cookie: visit="+ada, "Cookie: visit="+eve))
	rejected(t, "two parameters", w.gateway.Get("/keeps?v="+ada+"&v="+eve))
	rejected(t, "two parameters, one escaped", w.gateway.Get("/keeps?v="+ada+"&%76="+eve))
	rejected(t, "a bad one before a good one", w.gateway.Get("/keeps?v="+ada, bearer("nonsense")))

	last := w.gateway.Get("/keeps?page=2&v="+ada, "Referer: https://shop.example/?page=1&v="+ada)
	harness.Within(t, harness.Patience, "the last line is written", func() error {
		lines, err := w.gateway.AccessLog()
		if err != nil {
			return err
		}
		for _, line := range lines {
			if line["request_id"] != last.Header.Get("X-Request-Id") {
				continue
			}
			if line["query"] != "page=2&v=REDACTED" || line["referer"] != "https://shop.example/?page=1&v=REDACTED" {
				t.Errorf("the query %q and the referer %q are logged", line["query"], line["referer"])
			}
			if text, err := json.Marshal(lines); err != nil || contains(text, ada) || contains(text, eve) || contains(text, strings.Split(ada, ".")[2]) {
				t.Errorf("a token stands in the access log (%v)", err)
			}
			return nil
		}
		return fmt.Errorf("%d lines", len(lines))
	})
	if log := w.gateway.Log.String(); strings.Contains(log, ada) || strings.Contains(log, eve) {
		t.Error("a token stands in the log")
	}
}

// By HTTP/2 a cookie may come in pieces, and a field in any number; nothing else
// is different.
func TestTokensByHTTP2(t *testing.T) {
	t.Parallel()
	key := harness.NewKey(t, "EdDSA", "one")
	w := newWorld(t, 1, provider("main", localKeys(keyFile(t, key)), `locations = ["header:Authorization", "cookie:visit"]`)+
		limited("per_user", 3, "jwt.sub", "")+
		guarded("guarded", "main", "claims_to_headers = { \"X-User\" = \"sub\" }\nforward = false", `limits = ["per_user"]`))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: harness.Patience}
	get := func(fields ...string) (int, harness.Echo) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.gateway.URL("/guarded"), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range fields {
			name, value, _ := strings.Cut(field, ": ")
			request.Header[name] = append(request.Header[name], value)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.ProtoMajor != 2 {
			t.Fatalf("the answer came by %s", response.Proto)
		}
		if response.StatusCode != http.StatusOK {
			return response.StatusCode, harness.Echo{}
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		echo, err := harness.ParseEcho(body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, echo
	}
	ada, eve := key.Token(person("ada")), key.Token(person("eve"))
	for _, fields := range [][]string{
		{bearer(ada)},
		{"Cookie: a=1", "Cookie: visit=" + ada, "Cookie: b=2"},
		{bearer(ada), "Cookie: visit=" + eve + "; a=1", "Cookie: b=2"},
	} {
		status, saw := get(append(fields, "x-user: root", "x_user: root", "X-User: root")...)
		if status != http.StatusOK || !slices.Equal(saw.Header.Values("X-User"), []string{"ada"}) || saw.Header.Get("X_user") != "" {
			t.Errorf("%.30q: %d, the instance saw %v", fields, status, saw.Header)
		}
		if text := fmt.Sprint(saw.Header); strings.Contains(text, ada) || strings.Contains(text, eve) {
			t.Errorf("%.30q: a token went upstream: %s", fields, text)
		}
		if len(fields) > 1 && saw.Header.Get("Cookie") != "a=1; b=2" {
			t.Errorf("%.30q: the cookies %q went upstream", fields, saw.Header.Values("Cookie"))
		}
	}
	for want, fields := range map[int][]string{
		http.StatusTooManyRequests: {bearer(ada)},
		http.StatusUnauthorized:    {"Cookie: visit=" + eve, "Cookie: visit=" + eve},
	} {
		if status, _ := get(fields...); status != want {
			t.Errorf("%.30q: %d, want %d", fields, status, want)
		}
	}
}
