package hsts

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Check reports what is wrong with a value of Strict-Transport-Security (RFC
// 6797 section 6.1): it needs one max-age in whole seconds, and may hold
// includeSubDomains and preload, each once and in any case.
func Check(value string) error {
	seen := map[string]bool{}
	for directive := range strings.SplitSeq(value, ";") {
		name, arg, has := strings.Cut(strings.TrimSpace(directive), "=")
		name, arg = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(arg)
		switch {
		case seen[name]:
			return fmt.Errorf("%q has %s twice", value, name)
		case name == "max-age":
			if _, err := strconv.ParseUint(arg, 10, 32); err != nil {
				return fmt.Errorf("%q: max-age needs a number of seconds, such as max-age=31536000", value)
			}
		case (name == "includesubdomains" || name == "preload") && !has:
		default:
			return fmt.Errorf("%q: %q is none of max-age=<seconds>, includeSubDomains and preload", value, strings.TrimSpace(directive))
		}
		seen[name] = true
	}
	if !seen["max-age"] {
		return fmt.Errorf("%q has no max-age", value)
	}
	if seen["preload"] && !seen["includesubdomains"] {
		return errors.New("preload is for whole domains: it needs includeSubDomains")
	}
	return nil
}
