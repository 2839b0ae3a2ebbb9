package hsts_test

import (
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy/hsts"
)

func TestCheck(t *testing.T) {
	for value, want := range map[string]string{
		"max-age=0": "",
		"max-age=31536000; includeSubDomains; preload": "",
		"MAX-AGE=1;INCLUDESUBDOMAINS":                  "",
		"":                                             "is none of",
		"includeSubDomains":                            "no max-age",
		"max-age=1; max-age=2":                         "twice",
		"max-age=soon":                                 "number of seconds",
		"max-age=1;":                                   "is none of",
		"max-age=1; preload":                           "needs includeSubDomains",
		"max-age=1; includeSubDomains=1":               "is none of",
		"max-age=1\r\nSet-Cookie: a":                   "number of seconds",
		"max-age=99999999999999999999":                 "number of seconds",
	} {
		err := hsts.Check(value)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", value, err, want)
		}
	}
}
