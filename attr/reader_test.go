package attr_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/lictor/lictor/attr"
)

// attribute returns `a = <text>`, nil for no text.
func attribute(t *testing.T, text string) *hcl.Attribute {
	t.Helper()
	if text == "" {
		return nil
	}
	f, diags := hclsyntax.ParseConfig([]byte("a = "+text), "a.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	all, diags := f.Body.JustAttributes()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return all["a"]
}

// TestReader reads each kind of value from what is right, absent, null and wrong.
// complaint is a part of the only diagnostic; empty for none.
func TestReader(t *testing.T) {
	text := func(r *attr.Reader, a *hcl.Attribute) any { return r.Text(a, "default") }
	required := func(r *attr.Reader, a *hcl.Attribute) any { return r.Required(a, "a", hcl.Range{}) }
	enum := func(r *attr.Reader, a *hcl.Attribute) any { return r.Enum(a, "on", "on", "off") }
	boolean := func(r *attr.Reader, a *hcl.Attribute) any { return r.Bool(a, true) }
	integer := func(r *attr.Reader, a *hcl.Attribute) any { return r.Int(a, 7, 1, 1<<63-1) }
	number := func(r *attr.Reader, a *hcl.Attribute) any { return r.Number(a, 0.5, 0, 1) }
	duration := func(r *attr.Reader, a *hcl.Attribute) any { return r.Duration(a, time.Second, time.Second, 0) }
	bounded := func(r *attr.Reader, a *hcl.Attribute) any {
		return r.Duration(a, time.Second, time.Second, time.Minute)
	}
	size := func(r *attr.Reader, a *hcl.Attribute) any { return r.Size(a, 7, 0, 1<<20) }
	list := func(r *attr.Reader, a *hcl.Attribute) any { return strings.Join(attr.Values(r.List(a)), "+") }
	unique := func(r *attr.Reader, a *hcl.Attribute) any { return strings.Join(attr.Values(r.Unique(a)), "+") }
	pairs := func(r *attr.Reader, a *hcl.Attribute) any {
		var s strings.Builder
		for _, p := range r.Pairs(a) {
			s.WriteString(p.Key + "=" + p.Value + ";")
		}
		return s.String()
	}
	for _, c := range []struct {
		name      string
		read      func(*attr.Reader, *hcl.Attribute) any
		text      string
		want      any
		complaint string
	}{
		{"number", number, "0.25", 0.25, ""},
		{"a number in quotes", number, `"0.25"`, 0.25, ""},
		{"no number", number, "", 0.5, ""},
		{"a null number", number, "null", 0.5, ""},
		{"a number out of bounds", number, "1.01", 0.5, "A number from 0 to 1"},
		{"a negative number", number, "-1", 0.5, "A number from 0 to 1"},
		{"a word for a number", number, `"half"`, 0.5, "A number is required"},
		{"text", text, `"x"`, "x", ""},
		{"no text", text, ``, "default", ""},
		{"null text", text, `null`, "default", ""},
		{"a number as text", text, `1`, "1", ""},
		{"a list as text", text, `[]`, "default", "A string is required here."},
		{"a variable", text, `x`, "default", "Variables not allowed"},
		{"required", required, `"x"`, "x", ""},
		{"required and absent", required, ``, "", `The argument "a" is required`},
		{"required and null", required, `null`, "", `The argument "a" is required`},
		{"required and empty", required, `""`, "", `must not be empty`},
		{"required and wrong", required, `[]`, "", "A string is required here."},
		{"enum", enum, `"off"`, "off", ""},
		{"another word", enum, `"offf"`, "on", `"offf" is not one of "on" and "off". Did you mean "off"?`},
		{"bool", boolean, `false`, false, ""},
		{"no bool", boolean, `2`, true, "Either true or false is required here."},
		{"int", integer, `1`, int64(1), ""},
		{"the greatest int", integer, `9223372036854775807`, int64(1<<63 - 1), ""},
		{"one more", integer, `9223372036854775808`, int64(7), "A whole number from 1 to"},
		{"too small", integer, `0`, int64(7), "A whole number from 1 to"},
		{"a fraction", integer, `1.5`, int64(7), "A whole number from 1 to"},
		{"duration", duration, `"1h"`, time.Hour, ""},
		{"too short", duration, `"1ms"`, time.Second, "at least 1s"},
		{"no unit", duration, `"5"`, time.Second, `"5s" for seconds`},
		{"bounded", bounded, `"1m"`, time.Minute, ""},
		{"too long", bounded, `"61s"`, time.Second, "A duration from 1s to 1m0s"},
		{"size", size, `"64KiB"`, int64(65536), ""},
		{"no size", size, `""`, int64(0), ""},
		{"too large", size, `"2MiB"`, int64(7), "at most 1048576 bytes"},
		{"list", list, `["x", "y", "x"]`, "x+y+x", ""},
		{"null list", list, `null`, "", ""},
		{"text for a list", list, `"x"`, "", "A list of strings"},
		{"an empty element", list, `["x", ""]`, "x", "must not be empty"},
		{"unique", unique, `["x", "y", "x"]`, "x+y", ""},
		{"pairs", pairs, `{ b = "1", "c" = "" }`, "b=1;c=;", ""},
		{"a list for pairs", pairs, `["x"]`, "", "An object of strings"},
		{"a null among pairs", pairs, `{ b = null, c = "1" }`, "c=1;", "A string is required here."},
		{"a nameless pair", pairs, `{ "" = "1" }`, "", "A name is required here."},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r attr.Reader
			if got := c.read(&r, attribute(t, c.text)); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			switch {
			case c.complaint == "" && len(r.Diags) > 0:
				t.Errorf("complains: %v", r.Diags)
			case c.complaint != "" && (len(r.Diags) != 1 || r.Errors() != 1 || !strings.Contains(r.Diags[0].Error(), c.complaint)):
				t.Errorf("complains %v, want %q", r.Diags, c.complaint)
			}
		})
	}
}

// TestSentence tidies errors up for people.
func TestSentence(t *testing.T) {
	for in, want := range map[string]string{"": "", "a b": "A b.", "A b.": "A b.", "why?": "Why?", "é": "é."} {
		if got := attr.Sentence(testError(in)); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

type testError string

func (e testError) Error() string { return string(e) }

// TestDidYouMean suggests what is close and nothing else.
func TestDidYouMean(t *testing.T) {
	for given, want := range map[string]string{
		"permisive": ` Did you mean "permissive"?`, "ENFORCING": ` Did you mean "enforcing"?`, "x": "", "": "", "nothing": "",
	} {
		if got := attr.DidYouMean(given, []string{"enforcing", "permissive"}); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
