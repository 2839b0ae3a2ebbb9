package attr

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// DidYouMean returns a sentence, led by a space, that names the candidate
// closest to what was given; empty when none is close.
func DidYouMean(given string, candidates []string) string {
	best, least := "", min(3, (len(given)+1)/2)
	for _, c := range candidates {
		if strings.EqualFold(c, given) {
			best = c
			break
		}
		if d := levenshtein.Distance(given, c, nil); d < least {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// Quoted joins names as in prose: "a", "b" and "c".
func Quoted(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " and " + quoted[len(quoted)-1]
}

// Sentence begins an error's text with a capital letter and ends it with a full
// stop, as diagnostics have it.
func Sentence(err error) string {
	s := err.Error()
	if s == "" {
		return s
	}
	if c := s[0]; 'a' <= c && c <= 'z' {
		s = string(c-'a'+'A') + s[1:]
	}
	if last := s[len(s)-1]; last != '.' && last != '?' && last != '!' {
		s += "."
	}
	return s
}
