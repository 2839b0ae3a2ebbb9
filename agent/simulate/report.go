package simulate

import (
	"cmp"
	"slices"
	"time"
)

// Report is what came of a simulation. Its moments are in UTC.
type Report struct {
	Logs []LogFile `json:"logs"`
	// From and To are when the first and the last request began.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Requests are all that could be read, of which Admitted would have gone to a
	// service and Denied been told to come later. Recorded is how many were told so
	// when they were recorded.
	Requests uint64 `json:"requests"`
	Admitted uint64 `json:"admitted"`
	Denied   uint64 `json:"denied"`
	Recorded uint64 `json:"recorded_429"`
	// Late are those that came more than Window after later ones in the log.
	Late uint64 `json:"late"`
	// Answers counts the gateway's own answers by the names of their problems.
	Answers  map[string]uint64 `json:"answers"`
	Timeline Timeline          `json:"timeline"`
	Limits   []LimitReport     `json:"limits"`
	// Unmatched are the most frequent requests that no route takes.
	Unmatched []Unmatched `json:"unmatched"`
	BadLines  []BadLine   `json:"bad_lines"`
	// Notes say what was not known or not simulated.
	Notes []string `json:"notes"`
}

// LogFile is one log.
type LogFile struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Lines  uint64 `json:"lines"`
	// Bad counts the lines that could not be read.
	Bad uint64 `json:"bad"`
}

// BadLine is a line that could not be read.
type BadLine struct {
	File string `json:"file"`
	Line uint64 `json:"line"`
	Why  string `json:"why"`
	// Text is its beginning, with what is not printable replaced.
	Text string `json:"text"`
}

// Unmatched is a kind of request that no route takes: method, host and path.
type Unmatched struct {
	Request  string `json:"request"`
	Requests uint64 `json:"requests"`
	// Error is how much too high Requests may be.
	Error uint64 `json:"error"`
}

// LimitReport is what came of one limit. Without Simulated all counts are 0.
type LimitReport struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"`
	Mode      string `json:"mode"`
	Scope     string `json:"scope"`
	Simulated bool   `json:"simulated"`
	// Why says why it is not simulated.
	Why string `json:"why,omitempty"`

	// Requests were asked about: Passed, of which some Delayed, Denied by this limit
	// (or would be, by a permissive one), and RefusedByOthers, which it would have let
	// pass.
	Requests        uint64  `json:"requests"`
	Passed          uint64  `json:"passed"`
	Delayed         uint64  `json:"delayed"`
	Denied          uint64  `json:"denied"`
	RefusedByOthers uint64  `json:"refused_by_others"`
	Share           float64 `json:"denied_share"`
	LongestDelayMS  int64   `json:"longest_delay_ms"`
	// First is the minute in which a request was denied for the first time, Worst the
	// one in which most were. Nil for never.
	First *Minute `json:"first,omitempty"`
	Worst *Minute `json:"worst,omitempty"`
	// Keys counts different keys, DeniedKeys those that were denied. They are
	// estimates, to about 2 %, unless Exact.
	Keys       uint64      `json:"keys"`
	DeniedKeys uint64      `json:"denied_keys"`
	Exact      bool        `json:"keys_exact"`
	Top        []KeyReport `json:"top"`
	Timeline   Timeline    `json:"timeline"`
}

// Minute is one minute, and what was denied in it.
type Minute struct {
	At     time.Time `json:"at"`
	Denied uint64    `json:"denied"`
}

// KeyReport is one of the keys that were denied most.
type KeyReport struct {
	Key    string `json:"key"`
	Denied uint64 `json:"denied"`
	// Error is how much too high Denied may be.
	Error uint64 `json:"error"`
	// Requests counts those from the first denial on that is known of.
	Requests uint64 `json:"requests"`
	// WorstFrom, WorstTo and WorstDenied are the longest run of requests that were
	// all denied.
	WorstFrom   time.Time `json:"worst_from"`
	WorstTo     time.Time `json:"worst_to"`
	WorstDenied uint64    `json:"worst_denied"`
}

// Timeline counts over time, in parts of equal length.
type Timeline struct {
	From    time.Time `json:"from"`
	PartMS  int64     `json:"part_ms"`
	Allowed []uint64  `json:"allowed"`
	Denied  []uint64  `json:"denied"`
}

// shownTop is how many keys are reported of each limit.
const shownTop = 10

func instant(at time.Duration) time.Time { return time.Unix(0, int64(at)).UTC() }

func (r *replay) report() *Report {
	out := &Report{
		Logs: r.files, Requests: r.requests, Admitted: r.admitted, Denied: r.denied, Recorded: r.recorded,
		From: instant(r.from), To: instant(r.to), Late: r.order.late, Answers: r.answers, Timeline: r.line.report(),
		Limits: []LimitReport{}, Unmatched: []Unmatched{}, BadLines: append([]BadLine{}, r.badLines...), Notes: append([]string{}, r.plan.notes...),
	}
	for _, t := range r.plan.tallies {
		out.Limits = append(out.Limits, t.report())
	}
	for _, c := range r.unmatched.list(shownTop, func(s string) string { return s }) {
		out.Unmatched = append(out.Unmatched, Unmatched{c.value, c.n, c.error})
	}
	return out
}

func (l *timeline) report() Timeline {
	out := Timeline{From: instant(l.begin), PartMS: l.width.Milliseconds(), Allowed: []uint64{}, Denied: []uint64{}}
	for _, p := range l.parts {
		out.Allowed, out.Denied = append(out.Allowed, p.allowed), append(out.Denied, p.denied)
	}
	return out
}

func (t *tally) report() LimitReport {
	s := t.spec
	out := LimitReport{
		Name: s.Name, Algorithm: s.Algorithm, Key: s.KeyClass(), Mode: s.Mode.String(), Scope: s.Scope.String(),
		Why: t.why, Simulated: t.limit != nil && t.used,
		Requests: t.asked, Passed: t.passed, Delayed: t.delayed, Denied: t.denied, RefusedByOthers: t.others,
		LongestDelayMS: t.longest.Milliseconds(), Top: []KeyReport{}, Timeline: t.line.report(),
	}
	if out.Why == "" && !t.used {
		out.Why = "no route names it"
	}
	if t.asked > 0 {
		out.Share = float64(t.denied) / float64(t.asked)
	}
	if t.denied > 0 {
		first := t.first.Truncate(time.Minute)
		out.First = &Minute{At: instant(first), Denied: t.firstMinute}
		out.Worst = &Minute{At: instant(t.worst.at), Denied: t.worst.n}
	}
	var exact, exactToo bool
	out.Keys, exact = t.keys.count()
	out.DeniedKeys, exactToo = t.hit.count()
	out.Exact = exact && exactToo
	for _, c := range t.top.list(shownTop, func(k *keyTally) string { return k.text }) {
		k := c.value
		out.Top = append(out.Top, KeyReport{
			Key: k.text, Denied: c.n, Error: c.error, Requests: k.asked,
			WorstFrom: instant(k.most.from), WorstTo: instant(k.most.to), WorstDenied: k.most.n,
		})
	}
	return out
}

// worst sorts limits by what they denied, for people who look for trouble.
func (r *Report) worst() []LimitReport {
	all := slices.Clone(r.Limits)
	slices.SortStableFunc(all, func(a, b LimitReport) int { return cmp.Compare(b.Denied, a.Denied) })
	return all
}
