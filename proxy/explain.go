package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Explainer is a Step that can be asked what it would do with a request, for
// people who want to know why. A step without it is shown as not explained.
type Explainer interface {
	Step
	// Explain is Request for an exchange that no client has sent: it does to x
	// what Request would do, answers by x where Request would, and returns the
	// same; what follows is explained on that ground. x.W only takes note.
	//
	// It changes nothing else. It charges, counts, holds, fetches, caches, asks
	// and waits for nothing. Where the verdict can't be known without that, it
	// sets v.Verdict to NotKnown and returns true.
	//
	// A step whose Request does none of that either may call it:
	//
	//	func (s *Step) Explain(x *proxy.Exchange, v *proxy.Explanation) bool {
	//		v.Say("to", s.to)
	//		return s.Request(x)
	//	}
	//
	// What it writes down is shown to operators: no secret, token or password,
	// and nobody's identity in the clear.
	Explain(x *Exchange, v *Explanation) bool
}

// Decided is what came of one step, in one or two words.
type Decided string

// The verdicts of steps, and of their parts.
const (
	// Passes: the request goes on.
	Passes Decided = "passes"
	// Delayed: it goes on, but later.
	Delayed Decided = "delayed"
	// WouldRefuse: it goes on, because the step only watches.
	WouldRefuse Decided = "would refuse"
	// Refuses: the client gets a problem.
	Refuses Decided = "refuses"
	// Answers: the client gets an answer that is no problem, such as a redirect.
	Answers Decided = "answers"
	// NotKnown: nobody can tell without doing it.
	NotKnown Decided = "not known"
	// NotExplained: the step can't be asked.
	NotExplained Decided = "not explained"
	// NotReached: an earlier step has answered.
	NotReached Decided = "not reached"
)

// Explanation is what one step would do with a request, and why. Explain need not
// set Verdict: what it returns, and whether it answered with a problem, says.
type Explanation struct {
	// Step names the step, or a part of it by the name of its block. It is the
	// name of the step's package when Explain does not set it.
	Step    string  `json:"step"`
	Verdict Decided `json:"verdict"`
	// Why is a clause in lower case without a period; empty where the verdict
	// says it all.
	Why   string `json:"why,omitempty"`
	Facts Facts  `json:"facts,omitempty"`
	// Parts are what the step consists of, such as single limits, in their order.
	Parts []Explanation `json:"parts,omitempty"`
	// Reveal is set before Explain is called, when who asks wants to see what says
	// who the client is. Secrets are not shown even then.
	Reveal bool `json:"-"`
}

// Say adds a fact. The value is a string, a number, a bool, a list of strings or
// Facts. Names are words with underscores; those of times end in _ms.
func (v *Explanation) Say(name string, value any) { v.Facts = append(v.Facts, Fact{name, value}) }

// Fact is something that a person may want to know.
type Fact struct {
	Name  string
	Value any
}

// Facts are an object of JSON whose members keep their order.
type Facts []Fact

// MarshalJSON implements json.Marshaler.
func (f Facts) MarshalJSON() ([]byte, error) {
	b := bytes.NewBufferString("{")
	for i := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range [...]any{f[i].Name, f[i].Value} {
			if j > 0 {
				b.WriteByte(':')
			}
			raw, err := json.Marshal(v)
			if err != nil {
				return nil, fmt.Errorf("fact %q: %w", f[i].Name, err)
			}
			b.Write(raw)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON implements json.Unmarshaler. Objects become Facts, numbers stay as
// they are written.
func (f *Facts) UnmarshalJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("facts are an object: %w", orUnexpected(err))
	}
	*f = nil
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		fact := Fact{Name: fmt.Sprint(name)}
		if bytes.HasPrefix(value, []byte{'{'}) {
			var inner Facts
			err = inner.UnmarshalJSON(value)
			fact.Value = inner
		} else {
			v := json.NewDecoder(bytes.NewReader(value))
			v.UseNumber()
			err = v.Decode(&fact.Value)
		}
		if err != nil {
			return err
		}
		*f = append(*f, fact)
	}
	_, err := d.Token()
	return err
}

func orUnexpected(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// stepName is the name of the step's package.
func stepName(s Step) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(fmt.Sprintf("%T", s), "*"), ".")
	return name
}

// explain asks one step. It returns what the step's Request would.
func explain(s Step, x *Exchange, reveal bool) (v Explanation, ok bool) {
	v.Step, v.Reveal = stepName(s), reveal
	e, can := s.(Explainer)
	if !can {
		v.Verdict = NotExplained
		return v, true
	}
	ok = e.Explain(x, &v)
	switch {
	case v.Verdict != "":
	case ok:
		v.Verdict = Passes
	case x.Problem != nil:
		v.Verdict = Refuses
	default:
		v.Verdict = Answers
	}
	return v, ok
}

// explainAll asks steps in their order, until one answers.
func explainAll(steps []Step, x *Exchange, reveal bool) (list []Explanation, ok bool) {
	ok = true
	for _, s := range steps {
		v := Explanation{Step: stepName(s), Verdict: NotReached}
		if ok {
			v, ok = explain(s, x, reveal)
		}
		list = append(list, v)
	}
	return list, ok
}
