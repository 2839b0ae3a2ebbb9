package http1

import (
	"errors"
	"testing"
)

// TestLengths looks at the bounds of a Content-Length (RFC 9110 section 8.6).
func TestLengths(t *testing.T) {
	for _, c := range []struct {
		value string
		n     int64
		err   *Error
	}{
		{"0", 0, nil},
		{"9", 9, nil},
		{"10", 10, nil},
		{"9223372036854775799", 1<<63 - 9, nil},
		{"9223372036854775800", 1<<63 - 8, nil},
		{"9223372036854775807", 1<<63 - 1, nil},
		{"0000000000000000000", 0, nil},
		{"9223372036854775808", 0, errLengthTooLarge},
		{"9223372036854775810", 0, errLengthTooLarge},
		{"9300000000000000000", 0, errLengthTooLarge},
		{"00000000000000000000", 0, errLengthTooLarge},
		{"99999999999999999999999999999999999999", 0, errLengthTooLarge},
		{"99999999999999999999999999999999999999x", 0, errLength},
		{"", 0, errLength},
		{"/", 0, errLength},
		{":", 0, errLength},
		{"1 ", 0, errLength},
		{"1_0", 0, errLength},
	} {
		n, err := parseLength([]byte(c.value))
		if n != c.n || (err == nil) != (c.err == nil) || (err != nil && !errors.Is(err, c.err)) {
			t.Errorf("%q: %d, %v", c.value, n, err)
		}
	}
}
