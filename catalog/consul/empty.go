package consul

import "time"

// regressionGrace is how long after its index went backwards Consul's word is
// not taken that a service has no instances: agents take a while to register
// everything again (anti-entropy runs every minute in small clusters). So it is after
// Consul came back that was away when the gateway started, where the instances are
// those on disk: it may have lost its state without its index telling.
const regressionGrace = 90 * time.Second

// The reasons for holding an empty answer back.
const (
	heldFiltered   = "the answer was filtered by ACLs"
	heldAnonymous  = "there is no ACL token, and Consul denies by default"
	heldNoLeader   = "Consul has no known leader"
	heldRegression = "Consul's index went backwards, services may be coming back"
	heldReturned   = "what is known is from disk and Consul was away, services may be coming back"
)

// evidence is what can be said for an answer without instances, where there
// were instances before.
type evidence struct {
	filtered    bool // by ACLs
	knownLeader bool
	anonymous   bool // no token was sent
	denyDefault bool // by the agent's ACL policy
	// sinceRegression is the time since the index last went backwards, negative
	// when it never did.
	sinceRegression time.Duration
	// returned says that the regression is one that may have been: Consul was away.
	returned bool
}

// doubt says why an empty answer is not believed, and "" when it is. The
// evidence must come from a plain read: with streaming, Consul's default,
// blocking answers never say that there is no leader nor that they were
// filtered, and losing read rights looks like the removal of all instances.
func (e evidence) doubt() string {
	switch {
	case e.filtered:
		return heldFiltered
	case e.anonymous && e.denyDefault:
		return heldAnonymous
	case !e.knownLeader:
		return heldNoLeader
	case e.sinceRegression < 0 || e.sinceRegression >= regressionGrace:
	case e.returned:
		return heldReturned
	default:
		return heldRegression
	}
	return ""
}

// holdLimit returns how long the pause between looks at a held answer may grow.
func holdLimit(reason string) time.Duration {
	if reason == heldFiltered || reason == heldAnonymous {
		return holdMaxRefused
	}
	return holdMax
}
