package jwt

import (
	"crypto/rsa"
	"slices"

	gojwt "github.com/golang-jwt/jwt/v5"
)

// family is what kind of key an algorithm takes.
type family uint8

const (
	rsaFamily family = iota + 1
	ecFamily
	edFamily
	hmacFamily
)

// algorithm is one signature algorithm of RFC 7518 section 3.1 or RFC 8037.
type algorithm struct {
	name   string
	family family
	method gojwt.SigningMethod
	// least is the shortest HMAC key in bytes (RFC 7518 section 3.2).
	least int
	// curve is the only curve of an ECDSA algorithm (section 3.4).
	curve string
	bit   algorithms
}

// algorithms is a set of algorithms, one bit each.
type algorithms uint16

// allAlgorithms are the algorithms that a provider may use. There is no "none".
var allAlgorithms = func() []algorithm {
	list := []algorithm{
		{name: "RS256", family: rsaFamily, method: gojwt.SigningMethodRS256},
		{name: "RS384", family: rsaFamily, method: gojwt.SigningMethodRS384},
		{name: "RS512", family: rsaFamily, method: gojwt.SigningMethodRS512},
		{name: "PS256", family: rsaFamily, method: strictPSS(gojwt.SigningMethodPS256)},
		{name: "PS384", family: rsaFamily, method: strictPSS(gojwt.SigningMethodPS384)},
		{name: "PS512", family: rsaFamily, method: strictPSS(gojwt.SigningMethodPS512)},
		{name: "ES256", family: ecFamily, method: gojwt.SigningMethodES256, curve: "P-256"},
		{name: "ES384", family: ecFamily, method: gojwt.SigningMethodES384, curve: "P-384"},
		{name: "ES512", family: ecFamily, method: gojwt.SigningMethodES512, curve: "P-521"},
		{name: "EdDSA", family: edFamily, method: gojwt.SigningMethodEdDSA},
		{name: "HS256", family: hmacFamily, method: gojwt.SigningMethodHS256, least: 32},
		{name: "HS384", family: hmacFamily, method: gojwt.SigningMethodHS384, least: 48},
		{name: "HS512", family: hmacFamily, method: gojwt.SigningMethodHS512, least: 64},
	}
	for i := range list {
		list[i].bit = 1 << i
	}
	return list
}()

// strictPSS wants a salt as long as the hash (RFC 7518 section 3.5), where the
// library takes any.
func strictPSS(m *gojwt.SigningMethodRSAPSS) *gojwt.SigningMethodRSAPSS {
	strict := *m
	strict.VerifyOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	return &strict
}

// algorithmNamed finds an algorithm by its name, which is case-sensitive; nil
// when there is none.
func algorithmNamed(name string) *algorithm {
	i := slices.IndexFunc(allAlgorithms, func(a algorithm) bool { return a.name == name })
	if i < 0 {
		return nil
	}
	return &allAlgorithms[i]
}

// algorithmNames lists the names of all algorithms.
func algorithmNames() []string {
	names := make([]string, len(allAlgorithms))
	for i, a := range allAlgorithms {
		names[i] = a.name
	}
	return names
}

// ofFamily returns the algorithms of one family.
func ofFamily(f family) (set algorithms) {
	for _, a := range allAlgorithms {
		if a.family == f {
			set |= a.bit
		}
	}
	return set
}

// named returns the set of these algorithms, leaving out unknown names.
func named(names []string) (set algorithms) {
	for _, n := range names {
		if a := algorithmNamed(n); a != nil {
			set |= a.bit
		}
	}
	return set
}
