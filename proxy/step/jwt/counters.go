package jwt

import "sync/atomic"

// result says how the verification of a token ended. Later ones came closer to
// success, so that the last is the one worth telling of.
type result uint8

const (
	missing result = iota
	malformed
	badAlgorithm
	badIssuer
	unknownKey
	badSignature
	badAudience
	notYetValid
	expired
	keysUnavailable
	insufficient // verified, but lacks a claim that the route requires
	verified
	cached
	results
)

// resultNames are the values of the metric's label.
var resultNames = [results]string{
	missing: "missing", malformed: "malformed", badAlgorithm: "bad_algorithm", badIssuer: "bad_issuer", unknownKey: "unknown_key",
	badSignature: "bad_signature", badAudience: "bad_audience", notYetValid: "not_yet_valid", expired: "expired",
	keysUnavailable: "keys_unavailable", insufficient: "insufficient", verified: "ok", cached: "cached",
}

func (r result) String() string { return resultNames[r] }

// Counters count one provider's verifications by how they ended. They outlive
// reloads.
type Counters struct {
	byResult [results]atomic.Uint64
}

func (c *Counters) count(r result) { c.byResult[r].Add(1) }

// Each calls f for every way in which a verification can end.
func (c *Counters) Each(f func(result string, n uint64)) {
	for i := range c.byResult {
		f(resultNames[i], c.byResult[i].Load())
	}
}
