package compress

import (
	"bytes"
	"strings"
)

// DefaultTypes are the media types that get smaller by much. Images, sound, video,
// archives and woff fonts are compressed in themselves.
var defaultTypes = []string{
	"text/*", "*+json", "*+xml", "application/json", "application/x-ndjson", "application/xml", "application/javascript",
	"application/x-javascript", "application/wasm", "application/vnd.ms-fontobject", "font/ttf", "font/otf",
	"image/bmp", "image/x-icon", "image/vnd.microsoft.icon",
}

// DefaultTypes returns the media types that are compressed where a policy lists
// none.
func DefaultTypes() []string { return append([]string(nil), defaultTypes...) }

// maxType bounds the length of a media type that is looked at, in bytes.
const maxType = 127

// types is a set of media types.
type types struct {
	exact    map[string]struct{}
	kinds    map[string]struct{} // "text" of "text/*"
	suffixes map[string]struct{} // "json" of "*+json"
}

func newTypes(list []string) types {
	t := types{map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}}
	for _, s := range list {
		if kind, ok := strings.CutSuffix(s, "/*"); ok {
			t.kinds[kind] = struct{}{}
		} else if suffix, ok := strings.CutPrefix(s, "*+"); ok {
			t.suffixes[suffix] = struct{}{}
		} else {
			t.exact[s] = struct{}{}
		}
	}
	return t
}

// has reports whether the value of a Content-Type names one of the types. What is
// framed for gRPC never does: it has compression of its own, message by message.
func (t *types) has(contentType []byte) bool {
	name, _, _ := bytes.Cut(contentType, semicolon)
	name = bytes.Trim(name, " \t")
	if len(name) > maxType {
		return false
	}
	var space [maxType]byte
	lower := space[:len(name)]
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	if bytes.HasPrefix(lower, grpc) {
		return false
	}
	if _, ok := t.exact[string(lower)]; ok {
		return true
	}
	kind, _, found := bytes.Cut(lower, []byte{'/'})
	if !found {
		return false
	}
	if _, ok := t.kinds[string(kind)]; ok {
		return true
	}
	plus := bytes.LastIndexByte(lower, '+')
	if plus < 0 {
		return false
	}
	_, ok := t.suffixes[string(lower[plus+1:])]
	return ok
}

var grpc = []byte("application/grpc")

// checkType says what is wrong with a type of a policy, in lower case; empty for
// nothing.
func checkType(s string) string {
	kind, sub, found := strings.Cut(s, "/")
	suffix, suffixed := strings.CutPrefix(s, "*+")
	switch {
	case suffixed && token(suffix):
	case len(s) > maxType, !found, !token(kind), sub != "*" && !token(sub):
		return `is not a media type such as "application/json", "text/*" or "*+json"`
	case strings.HasPrefix(s, string(grpc)):
		return "has compression of its own, message by message"
	}
	return ""
}

// token reports whether s is a token without "*" (RFC 9110 section 5.6.2).
func token(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'+-.^_`|~") == ""
}
