package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wants checks one answer.
type wants func(answer) error

// each says that every answer meets all wants.
func each(all ...wants) func([]answer) error {
	return func(answers []answer) error {
		for _, a := range answers {
			for _, want := range all {
				if err := want(a); err != nil {
					return fmt.Errorf("%w; the answer was %d %v %s", err, a.status, a.header, a.body)
				}
			}
		}
		return nil
	}
}

func status(code int) wants {
	return func(a answer) error {
		if a.status != code {
			return fmt.Errorf("status %d instead of %d", a.status, code)
		}
		return nil
	}
}

// field wants the named field to be there and to contain a text, which may be empty.
func field(name, contains string) wants {
	return func(a answer) error {
		value := a.header.Get(name)
		if value == "" {
			return fmt.Errorf("no field %s", name)
		}
		if !strings.Contains(value, contains) {
			return fmt.Errorf("%s is %q, without %q", name, value, contains)
		}
		return nil
	}
}

func body(contains string) wants {
	return func(a answer) error {
		if !strings.Contains(a.body, contains) {
			return fmt.Errorf("no %q in the body", contains)
		}
		return nil
	}
}

func lacks(text string) wants {
	return func(a answer) error {
		if strings.Contains(a.body, text) {
			return fmt.Errorf("%q in the body", text)
		}
		return nil
	}
}

func problem(code int, kind string) func([]answer) error {
	return each(status(code), field("Content-Type", "application/problem+json"), body("urn:lictor:problem:"+kind))
}

// shared wants each instance to have answered that often.
func shared(want map[string]int) func([]answer) error {
	return func(answers []answer) error {
		got := map[string]int{}
		for _, a := range answers {
			if a.status != http.StatusOK {
				return fmt.Errorf("status %d: %s", a.status, a.body)
			}
			got[a.header.Get("X-Instance")]++
		}
		for instance, n := range want {
			if got[instance] != n {
				return fmt.Errorf("shared as %v instead of %v", got, want)
			}
		}
		return nil
	}
}

// passed wants the first n answers to be 200 and all others 429.
func passed(n int) func([]answer) error {
	return func(answers []answer) error {
		all := statuses(answers)
		for i, code := range all {
			if (code == http.StatusOK) != (i < n) || code != http.StatusOK && code != http.StatusTooManyRequests {
				return fmt.Errorf("statuses %v: the first %d must pass and the others be refused", all, n)
			}
		}
		return nil
	}
}

// bucket wants what a token bucket lets through of requests that come too fast,
// and a sliding window of the same rate: the burst, then some, never more than
// burst + rate * time in all.
func bucket(rate, burst int) func([]answer) error {
	return func(answers []answer) error {
		most := burst + int(float64(rate)*elapsed(answers).Seconds())
		return limited(answers, burst, most)
	}
}

// windows wants what a fixed window lets through: at most limit in each of those
// that the requests fell into.
func windows(limit int, window time.Duration) func([]answer) error {
	return func(answers []answer) error {
		first, last := span(answers)
		touched := last.UnixNano()/int64(window) - first.UnixNano()/int64(window) + 1
		return limited(answers, limit, limit*int(touched))
	}
}

// limited wants the first answers to be 200, as many as burst, then some 429, unless
// the requests took so long that all might pass, then a 200 again once the first that
// was refused might come again, and no more than most of 200 in all.
func limited(answers []answer, burst, most int) error {
	all := statuses(answers)
	refused := slices.Index(all, http.StatusTooManyRequests)
	switch {
	case refused >= 0 && refused < burst:
		return fmt.Errorf("statuses %v: %d must pass and then one be refused", all, burst)
	case refused >= 0 && comesAgain(answers[refused], answers[len(answers)-1]) && !slices.Contains(all[refused:], http.StatusOK):
		return fmt.Errorf("statuses %v: none passes once one was refused", all)
	case count(all, http.StatusOK) > most:
		return fmt.Errorf("statuses %v: at most %d may pass", all, most)
	case count(all, http.StatusOK)+count(all, http.StatusTooManyRequests) < len(all):
		return fmt.Errorf("statuses %v: another than 200 and 429", all)
	}
	return nil
}

// comesAgain reports whether a request came later than one that was refused was told to
// come again.
func comesAgain(refused, last answer) bool {
	seconds, err := strconv.Atoi(refused.header.Get("Retry-After"))
	return err != nil || last.sent.Sub(refused.answered) >= time.Duration(seconds)*time.Second
}

// queued wants of requests that came at once so many to pass, the last of them no
// sooner than the rate allows, and the others to be refused.
func queued(n, rate int) func([]answer) error {
	return func(answers []answer) error {
		all := statuses(answers)
		if count(all, http.StatusOK) < n || count(all, http.StatusTooManyRequests) == 0 {
			return fmt.Errorf("statuses %v: %d must pass and the others be refused", all, n)
		}
		if least := time.Duration(n-1) * time.Second / time.Duration(rate); elapsed(answers) < least {
			return fmt.Errorf("%d passed within %v, sooner than %v", n, elapsed(answers), least)
		}
		return nil
	}
}

func statuses(answers []answer) []int {
	var codes []int
	for _, a := range answers {
		codes = append(codes, a.status)
	}
	return codes
}

func count(codes []int, code int) int {
	n := 0
	for _, c := range codes {
		if c == code {
			n++
		}
	}
	return n
}

// span is when the first of the requests was sent and the last answered.
func span(answers []answer) (first, last time.Time) {
	first, last = answers[0].sent, answers[0].answered
	for _, a := range answers {
		if a.sent.Before(first) {
			first = a.sent
		}
		if a.answered.After(last) {
			last = a.answered
		}
	}
	return first, last
}

func elapsed(answers []answer) time.Duration {
	first, last := span(answers)
	return last.Sub(first)
}
