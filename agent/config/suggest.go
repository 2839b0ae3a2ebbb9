package config

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// didYouMean returns a sentence, led by a space, that names the candidate
// closest to what was given; empty when none is close.
func didYouMean(given string, candidates []string) string {
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

// list joins names as in prose: "a, b and c".
func list(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " and " + quoted[len(quoted)-1]
}
