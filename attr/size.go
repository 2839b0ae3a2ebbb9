package attr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeUnits are the units of a size. No unit means bytes.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"", 1},
	{"B", 1},
	{"KB", 1000},
	{"MB", 1000 * 1000},
	{"GB", 1000 * 1000 * 1000},
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
}

// ParseSize reads a size such as "64KiB" or "1MB" into bytes.
func ParseSize(s string) (int64, error) {
	digits := strings.TrimLeft(s, "0123456789")
	number, unit := s[:len(s)-len(digits)], strings.TrimSpace(digits)
	if number == "" {
		return 0, errors.New(`a size is a whole number and a unit, such as "64KiB" or "1MB"`)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the size %q is too large", s)
	}
	for _, u := range sizeUnits {
		if u.name != unit {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return 0, fmt.Errorf("the size %q is too large", s)
		}
		return n * u.bytes, nil
	}
	return 0, fmt.Errorf("the unit %q of a size is not one of B, KB, MB, GB, KiB, MiB and GiB.%s", unit, DidYouMean(strings.ToUpper(unit[:1])+unit[1:], sizeNames()))
}

func sizeNames() []string {
	names := make([]string, 0, len(sizeUnits))
	for _, u := range sizeUnits {
		if u.name != "" {
			names = append(names, u.name)
		}
	}
	return names
}
