// Package xconnect makes net/http offer the extended CONNECT of RFC 8441, by which
// WebSockets come through HTTP/2.
//
// net/http has it, but switched off, for fear of servers that know nothing of it
// (golang.org/issue/71128). The switch is a word in the environment variable GODEBUG
// that net/http looks for while it is initialized; a //go:debug line in main does not
// get there. So it must be said before. It is: packages are initialized in the order
// of their import paths as far as their own imports are ready (the Go specification,
// "Program initialization"), and this one needs less than net/http does and stands in
// front of it. A test holds that the server offers it.
//
// Who has set http2xconnect to anything in the environment is left alone:
// GODEBUG=http2xconnect=0 takes the offer back.
package xconnect

import (
	"os"
	"strings"
)

const variable, word = "GODEBUG", "http2xconnect="

func init() {
	set := os.Getenv(variable)
	if strings.Contains(set, word) {
		return
	}
	if set != "" {
		set += ","
	}
	_ = os.Setenv(variable, set+word+"1") // can't fail for a name and value like these
}
