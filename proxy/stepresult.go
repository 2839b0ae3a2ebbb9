package proxy

// StepResult is how a step that admits or refuses judged a request. Each is
// counted by route; see RouteMetrics.
type StepResult uint8

// The results.
const (
	AddressAllowed StepResult = iota
	AddressRefused
	UserMissing
	UserInvalid
	UserVerified
	UserRemembered
	UserOverload
	KeyMissing
	KeyInvalid
	KeyExpired
	KeyAccepted
	AuthAllowed
	AuthRemembered
	AuthDenied
	AuthRedirected
	AuthUnavailable
	AuthPassedUnasked
	AnswerCompressed
	AnswerNotCompressed // for too many are at once
	stepResultCount
)

// stepResults are the labels of the metric, by result.
var stepResults = [stepResultCount]struct{ step, result string }{
	AddressAllowed: {"ip_access", "allowed"},
	AddressRefused: {"ip_access", "denied"},
	UserMissing:    {"basic_auth", "missing"},
	UserInvalid:    {"basic_auth", "invalid"},
	UserVerified:   {"basic_auth", "ok"},
	UserRemembered: {"basic_auth", "cached"},
	UserOverload:   {"basic_auth", "overloaded"},
	KeyMissing:     {"api_key", "missing"},
	KeyInvalid:     {"api_key", "invalid"},
	KeyExpired:     {"api_key", "expired"},
	KeyAccepted:    {"api_key", "ok"},

	AuthAllowed:       {"external_auth", "ok"},
	AuthRemembered:    {"external_auth", "cached"},
	AuthDenied:        {"external_auth", "denied"},
	AuthRedirected:    {"external_auth", "redirected"},
	AuthUnavailable:   {"external_auth", "unavailable"},
	AuthPassedUnasked: {"external_auth", "passed_unasked"},

	AnswerCompressed:    {"compression", "compressed"},
	AnswerNotCompressed: {"compression", "overloaded"},
}

// Count takes note of how a step judged the exchange.
func (x *Exchange) Count(r StepResult) {
	if x.explained {
		return
	}
	m := x.p.Unmatched
	if x.Route != nil {
		m = x.Route.Metrics
	}
	m.steps[r].Add(1)
}

// EachStepResult calls f for every result that a step has come to on the route.
func (m *RouteMetrics) EachStepResult(f func(step, result string, n uint64)) {
	for i := range m.steps {
		if n := m.steps[i].Load(); n > 0 {
			f(stepResults[i].step, stepResults[i].result, n)
		}
	}
}
