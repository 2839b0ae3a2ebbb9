package fabio

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Prefix is what a tag begins with that is a route: fabio's default for
// registry.consul.tagprefix.
const Prefix = "urlprefix-"

// maxTag bounds a tag, in bytes.
const maxTag = 1024

// Tag is a route's tag taken apart, as far as it is fabio's grammar. What the
// parts are worth is for translate to say.
type Tag struct {
	// Text is the tag as it is registered.
	Text string
	// Host is in lower case and has no port; empty stands for any. It may hold
	// glob characters.
	Host string
	// Port is what followed the host, without the colon. It is all there is to a
	// tag of TCP.
	Port string
	// Path begins with a slash. It is empty with a tag of TCP.
	Path    string
	Options []Option
}

// Option is one of the words after the route. The value is empty for a word
// without "=".
type Option struct{ Name, Value string }

// Is reports whether a tag is meant to be a route.
func Is(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), Prefix) }

// Weighs reports whether a tag for a route may have a weight.
func Weighs(text string) bool { return Is(text) && strings.Contains(text, "weight=") }

// Parse takes a tag apart. The variable $DC stands for datacenter, as in fabio; it
// is an error where that is empty. The error says what is wrong for a person who
// sees the tag beside it.
func Parse(text, datacenter string) (Tag, error) {
	t := Tag{Text: text}
	switch {
	case len(text) > maxTag:
		return t, fmt.Errorf("it is longer than %d bytes", maxTag)
	case !utf8.ValidString(text):
		return t, errors.New("it is not UTF-8")
	case strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) && c != '\t' }):
		return t, errors.New("it holds characters that can't be shown")
	case !Is(text):
		return t, fmt.Errorf("it does not begin with %q", Prefix)
	}
	words := strings.Fields(strings.TrimSpace(text)[len(Prefix):])
	if len(words) == 0 {
		return t, errors.New("it names no host and no path")
	}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		t.Options = append(t.Options, Option{name, value})
	}
	where, err := expand(words[0], datacenter)
	if err != nil {
		return t, err
	}
	host, path, slash := strings.Cut(where, "/")
	t.Host, t.Port = cutPort(strings.ToLower(host))
	switch {
	case slash:
		t.Path = "/" + path
	case host != "" && t.Host == "":
		// a port alone, as TCP has it
	default:
		return t, fmt.Errorf("%q has no slash, which is where the path begins: %q is all of a host", where, Prefix+where+"/")
	}
	return t, nil
}

// Option returns the value of the last option of that name, as fabio has it.
func (t *Tag) Option(name string) string {
	for _, o := range slices.Backward(t.Options) {
		if o.Name == name {
			return o.Value
		}
	}
	return ""
}

// cutPort splits "host:port". An IPv6 address has its brackets.
func cutPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// expand puts the datacenter in. fabio knows no other variable, and makes nothing
// of the others; here they are refused, for the route would be another one.
func expand(s, datacenter string) (string, error) {
	head, rest, found := strings.Cut(s, "$")
	for found {
		name, long, braced := "", 0, false
		if strings.HasPrefix(rest, "{") {
			if end := strings.IndexByte(rest, '}'); end > 0 {
				name, long, braced = rest[1:end], end+1, true
			}
		}
		if !braced {
			for long < len(rest) && (rest[long] == '_' || isAlnum(rest[long])) {
				long++
			}
			name = rest[:long]
		}
		switch {
		case name != "DC":
			return "", fmt.Errorf("the variable %q is not known, there is $DC alone", "$"+name)
		case datacenter == "":
			return "", errors.New("$DC is not known here: write datacenter into the consul block")
		}
		head += datacenter
		s, rest, found = strings.Cut(rest[long:], "$")
		head += s
	}
	return head, nil
}

func isAlnum(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' }
