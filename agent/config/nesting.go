package config

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// deepest bounds how deep brackets, and operators in front of operands, may be
// nested. The parsers recurse without a bound of their own, and Go ends the
// whole program when a stack grows too large, reload or not.
const deepest = 500

// checkNesting refuses a text that is nested too deeply to be parsed.
func checkNesting(s Source, asJSON bool) hcl.Diagnostics {
	at, deep := hcl.Range{}, false
	if asJSON {
		at, deep = deepJSON(s.Text, s.Name)
	} else {
		at, deep = deepHCL(s.Text, s.Name)
	}
	if !deep {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Nested too deeply",
		Detail:   fmt.Sprintf("Brackets and operators can be nested %d deep at most.", deepest),
		Subject:  &at,
	}}
}

func deepHCL(text []byte, name string) (hcl.Range, bool) {
	tokens, _ := hclsyntax.LexConfig(text, name, hcl.InitialPos) // what is wrong with it the parser says too
	open, operators := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
			open++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen,
			hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
			open = max(0, open-1)
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenQuestion, hclsyntax.TokenColon:
			operators++
		case hclsyntax.TokenNewline, hclsyntax.TokenComma:
			operators = 0
		}
		if open+operators > deepest {
			return t.Range, true
		}
	}
	return hcl.Range{}, false
}

func deepJSON(text []byte, name string) (hcl.Range, bool) {
	open, quoted, escaped := 0, false, false
	for i, c := range text {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			open++
		case c == '}' || c == ']':
			open = max(0, open-1)
		}
		if open > deepest {
			return byteRange(text, name, i, i+1), true
		}
	}
	return hcl.Range{}, false
}
