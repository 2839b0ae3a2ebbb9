package config

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// wildest bounds the binary exponent of a number. Where a string is wanted a
// number is written out in full, and of 1e99999999 that takes minutes and
// gigabytes.
const wildest = 1024

// wildNumbers returns an error for each number in a file that is too large or
// too small to be meant.
func wildNumbers(f *hcl.File, name string) hcl.Diagnostics {
	r := reader{}
	body, ok := f.Body.(*hclsyntax.Body)
	if !ok {
		if at, ok := wildJSON(f.Bytes, name); ok {
			r.Errorf(at, "Invalid number", "The number is too large, or too close to zero.")
		}
		return r.Diags
	}
	_ = hclsyntax.VisitAll(body, func(n hclsyntax.Node) hcl.Diagnostics { // it only passes on what the function returns
		if l, ok := n.(*hclsyntax.LiteralValueExpr); ok && wild(l.Val) {
			r.Errorf(l.SrcRange, "Invalid number", "The number is too large, or too close to zero.")
		}
		return nil
	})
	return r.Diags
}

func wild(v cty.Value) bool {
	if v.IsNull() || !v.IsKnown() || v.Type() != cty.Number {
		return false
	}
	exp := v.AsBigFloat().MantExp(nil)
	return exp > wildest || exp < -wildest
}

// wildJSON finds the first such number of a JSON text, which the parser has
// found to be one.
func wildJSON(text []byte, name string) (hcl.Range, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return hcl.Range{}, false
		}
		n, ok := token.(json.Number)
		if !ok {
			continue
		}
		_, exp, _ := strings.Cut(strings.ToLower(n.String()), "e")
		if e, err := strconv.Atoi(exp); exp == "" || err == nil && e < 300 && e > -300 {
			continue
		}
		end := int(d.InputOffset())
		return byteRange(text, name, end-len(n), end), true
	}
}

// byteRange makes a range of a part of a text, within one line.
func byteRange(text []byte, name string, start, end int) hcl.Range {
	line := 1 + bytes.Count(text[:start], []byte("\n"))
	column := start - bytes.LastIndexByte(text[:start], '\n')
	return hcl.Range{
		Filename: name,
		Start:    hcl.Pos{Line: line, Column: column, Byte: start},
		End:      hcl.Pos{Line: line, Column: column + end - start, Byte: end},
	}
}
