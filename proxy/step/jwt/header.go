package jwt

import (
	"strings"
	"unicode/utf8"

	"github.com/lictor/lictor/proxy"
)

// maxHeaderValue bounds a field made of a claim, in bytes.
const maxHeaderValue = 4 << 10

// header is a field made of a claim.
type header struct {
	name  string
	claim claimName
}

// set adds the field. A claim that is absent, or not safe in a field, adds none:
// the instance sees what it sees of a token without the claim.
func (h *header) set(x *proxy.Exchange, d document) {
	i := h.claim.find(d)
	if i < 0 {
		return
	}
	n := &d[i]
	if text, ok := n.scalar(); ok {
		if text != "" && fieldText(text) {
			x.Request.Fields.AddName(h.name, text)
		}
		return
	}
	if n.kind != arrayKind {
		return
	}
	b := x.Space()
	for j := i + 1; j < int(n.end); j = int(d[j].end) {
		text, ok := d[j].scalar()
		if !ok || text == "" || !fieldText(text) || strings.Contains(text, ",") {
			return
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, text...)
	}
	if len(b) > 0 && len(b) <= maxHeaderValue {
		x.Request.Fields.AddName(h.name, string(b))
	}
}

// fieldText reports whether text can be a field's value as it is (RFC 9110
// section 5.5): no control character, of Unicode either, and no white space at
// its ends, which readers drop.
func fieldText(s string) bool {
	if len(s) > maxHeaderValue || s != strings.TrimSpace(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || 0x7f <= r && r < 0xa0 || r == utf8.RuneError || r == 0x2028 || r == 0x2029 {
			return false
		}
	}
	return true
}

// strip is a field that a client must not send, because an instance could take
// it for ours, or for a token that was verified.
type strip struct {
	folded string // lower case, with "_" for "-"
	// exact is the spelling that is a location of tokens and stays; empty for
	// none.
	exact string
}

func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

// dropFields drops what the client sent under the names of the list, in any
// spelling that an instance may take for them.
func dropFields(f *proxy.Fields, list []strip) {
	if len(list) == 0 {
		return
	}
	for i := range f.Len() {
		if f.ID(i) != proxy.Other || !f.Live(i) {
			continue
		}
		name := f.Name(i)
		for j := range list {
			if s := &list[j]; foldedEqual(name, s.folded) && (s.exact == "" || !proxy.EqualFold(name, s.exact)) {
				f.Drop(i)
				break
			}
		}
	}
}

// foldedEqual compares a name with a folded one.
func foldedEqual(name []byte, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	for i, c := range name {
		switch {
		case c == '-':
			c = '_'
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		}
		if c != folded[i] {
			return false
		}
	}
	return true
}
