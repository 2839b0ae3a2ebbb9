package attr

import (
	"fmt"
	"strings"
	"time"
)

// ParseDuration reads a duration such as "10s" or "1h30m". It can't be
// negative.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err == nil && d < 0:
		return 0, fmt.Errorf("the duration %q is negative", s)
	case err == nil:
		return d, nil
	case s != "" && strings.Trim(s, "0123456789") == "":
		return 0, fmt.Errorf(`a duration needs a unit: %q for seconds, %q for milliseconds`, s+"s", s+"ms")
	case strings.HasSuffix(s, "d"):
		return 0, fmt.Errorf(`%q is not a duration: the largest unit is the hour, so a day is "24h"`, s)
	}
	return 0, fmt.Errorf(`%q is not a duration such as "250ms", "10s" or "1h30m"`, s)
}
