package proxy

import "strings"

// This file says which fields are not a policy's to write or remove.

// OwnsRequestField reports whether a field of requests, in any spelling that an
// instance may take for it, is the gateway's own to write: it belongs to one
// connection, frames the message, or says who the client is and what it asked for.
func OwnsRequestField(name string) bool {
	id := Classify([]byte(strings.ReplaceAll(name, "_", "-")))
	if hopByHop[id] || id == ViaField {
		return true
	}
	for _, f := range forgeable {
		if id == f {
			return true
		}
	}
	return false
}

// OwnsResponseField is OwnsRequestField for responses.
func OwnsResponseField(name string) bool {
	switch id := Classify([]byte(name)); id {
	case XRequestID, ProxyStatus, RateLimit, RateLimitPolicy, XRateLimitLimit, XRateLimitRemaining, XRateLimitReset:
		return true
	default:
		return hopByHop[id]
	}
}

// DropNames drops every line of one of these names, in any case and with "_" for "-"
// as well: some instances take the one for the other. The names are as FoldName
// returns them.
func (f *Fields) DropNames(folded []string) {
	if len(folded) == 0 {
		return
	}
	for i := range f.lines {
		for _, name := range folded {
			if int(f.lines[i].nameLen) == len(name) && foldUnderscore(f.Name(i), stringBytes(name)) {
				f.Drop(i)
				break
			}
		}
	}
}

// FoldName returns a field's name in lower case, with "_" for "-".
func FoldName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

// AddBytes is AddName for a value that is known to be fit for a field: it holds no
// CR, LF or NUL.
func (f *Fields) AddBytes(name string, value []byte) {
	f.Close(append(f.open(name, Classify(stringBytes(name))), value...))
}
