package proxy

import (
	"bytes"
	"slices"
)

// This file keeps secrets that travel in URLs out of the access log.

// secretNames are the query parameters whose values never reach a log: where
// tokens travel in URLs (RFC 6750 section 2.3, RFC 6749), and what applications
// commonly call theirs. In lower case, as all of this.
var secretNames = []string{
	"auth", "authorization", "bearer", "code", "key", "otp", "pass", "pin", "pwd", "samlresponse", "sid", "sig", "ticket",
}

// secretWords make a parameter a secret whose name holds one of them.
var secretWords = wordsOf(
	"token", "secret", "passw", "passphrase", "signature", "credential", "session", "assertion", "api_key", "apikey", "api-key", "jwt",
)

// word is a text, and what it is made of.
type word struct {
	text  []byte
	bytes uint64
}

func wordsOf(texts ...string) []word {
	all := make([]word, len(texts))
	for n, text := range texts {
		all[n].text = []byte(text)
		for _, c := range all[n].text {
			all[n].bytes |= bitOf(c)
		}
	}
	return all
}

// bitOf stands for a byte, and for three more. A text that lacks a bit of a word's
// does not hold the word, which is soon told.
func bitOf(c byte) uint64 { return 1 << (c & 63) }

var redacted = []byte("REDACTED")

// endsParameter marks the bytes that separate parameters, for any application.
var endsParameter = [256]bool{'&': true, ';': true, '?': true, '#': true}

// redaction says which parameters are secret.
type redaction struct {
	extra []string // names besides the usual, in lower case
	named bool     // and no others
}

// appendRedacted copies a query, parameter by parameter, without the values of
// secret ones. Whatever some application takes for the end of a parameter ends
// one here.
func appendRedacted(b, query []byte, r redaction, escape func(b, s []byte) []byte) []byte {
	for len(query) > 0 {
		end := 0
		for end < len(query) && !endsParameter[query[end]] {
			end++
		}
		pair := query[:end]
		if i := bytes.IndexByte(pair, '='); i >= 0 && r.secret(pair[:i]) {
			b = append(escape(b, pair[:i+1]), redacted...)
		} else {
			b = escape(b, pair)
		}
		if query = query[end:]; len(query) > 0 {
			b = append(b, query[0])
			query = query[1:]
		}
	}
	return b
}

// longestName bounds the names that are looked at. A longer one is no name that
// anybody gave to a parameter, and is taken for secret.
const longestName = 64

func (r *redaction) secret(name []byte) bool {
	var space [longestName]byte
	if len(name) > len(space) {
		return true
	}
	lower := space[:len(name)]
	var has uint64
	for i, c := range name {
		if c == '%' || c == '+' {
			return true // an escaped name may hide any of them
		}
		lower[i] = lowerASCII(c)
		has |= bitOf(lower[i])
	}
	if r.named {
		return slices.Contains(r.extra, lendString(lower))
	}
	for i := range secretWords {
		if w := &secretWords[i]; has&w.bytes == w.bytes && bytes.Contains(lower, w.text) {
			return true
		}
	}
	if i := bytes.LastIndexByte(lower, '['); i >= 0 { // user[pwd]
		lower = bytes.TrimSuffix(lower[i+1:], []byte{']'})
	}
	return slices.Contains(secretNames, lendString(lower)) || slices.Contains(r.extra, lendString(lower)) ||
		slices.Contains(r.extra, lendString(space[:len(name)]))
}

// RedactQuery returns a query without the values of secret parameters, as the
// access log shows it. extra are names besides the usual, in lower case.
func RedactQuery(query string, extra []string) string {
	return string(appendRedacted(nil, stringBytes(query), redaction{extra: extra}, func(b, s []byte) []byte { return append(b, s...) }))
}
