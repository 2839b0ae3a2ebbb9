package externalauth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"iter"
	"net/http"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// marker stands in every question. Who asks because of a question goes round in
// circles.
const marker = "X-Lictor-Auth"

var errUnsendable = errors.New("the request has what can't be sent to the service that decides")

// question is what the service gets to see of a request, line by line.
type question []line

// newQuestion makes the question about an exchange. Its path is the one in normal
// form, with the query as it is at that point.
func newQuestion(x *proxy.Exchange, toAuth []string) (question, error) {
	q := &x.Request
	uri := string(q.Path)
	if q.HasQuery {
		uri += "?" + string(q.Query)
	}
	out := question{
		{"X-Forwarded-Method", string(q.Method)},
		{"X-Forwarded-Proto", x.Scheme()},
		{"X-Forwarded-Host", string(q.Host)},
		{"X-Forwarded-Uri", uri},
		{"X-Forwarded-For", x.Client.String()},
	}
	for _, name := range toAuth {
		for i := range q.Fields.Len() {
			if q.Fields.Live(i) && strings.EqualFold(string(q.Fields.Name(i)), name) {
				out = append(out, line{name, string(q.Fields.Value(i))})
			}
		}
	}
	for _, l := range out {
		if !sendable(l.value) {
			return nil, errUnsendable
		}
	}
	return out, nil
}

// sendable reports whether a text can be a field's value (RFC 9110 section 5.5), so
// that asking can't fail by what the client sent.
func sendable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// digest stands for the whole question: what the service can see decides, so that
// nothing less may be a key. Every text has its length in front.
func (q question) digest() [sha256.Size]byte {
	var b []byte
	for _, l := range q {
		b = binary.AppendUvarint(b, uint64(len(l.name)))
		b = append(b, l.name...)
		b = binary.AppendUvarint(b, uint64(len(l.value)))
		b = append(b, l.value...)
	}
	return sha256.Sum256(b)
}

// request makes the sub-request. It has no body.
func (q question) request(ctx context.Context, url string, id []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "lictor")
	for _, l := range q {
		name := http.CanonicalHeaderKey(l.name)
		if name == "User-Agent" {
			r.Header.Del(name)
		}
		r.Header[name] = append(r.Header[name], l.value)
	}
	r.Header.Set(marker, "1")
	r.Header.Set("X-Request-Id", string(id))
	return r, nil
}

// picked returns the lines of an answer that have one of the names.
func picked(h http.Header, names []string) []line {
	var out []line
	for _, name := range names {
		for _, v := range h.Values(name) {
			out = append(out, line{name, v})
		}
	}
	return out
}

// splitList yields the elements of a comma-separated list, in lower case.
func splitList(v string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for e := range strings.SplitSeq(v, ",") {
			if !yield(strings.ToLower(strings.TrimSpace(e))) {
				return
			}
		}
	}
}
