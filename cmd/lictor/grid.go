package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
)

// keys are indices of columns.
type keys []int

// grid is a table that can be shown more than once.
type grid struct {
	key  keys // what tells one row from the others
	head []string
	rows [][]string
}

func newGrid(key keys, head ...string) *grid { return &grid{key: key, head: head} }

func (g *grid) row(cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = strings.Map(printable, fmt.Sprint(c))
	}
	g.rows = append(g.rows, line)
}

// printable keeps what a registration in Consul holds from speaking to the
// terminal, and from breaking the columns.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return unicode.ReplacementChar
}

// only keeps the rows whose first key fits one of the patterns; none keep all.
func (g *grid) only(patterns []string) {
	if len(patterns) == 0 {
		return
	}
	g.rows = slices.DeleteFunc(g.rows, func(row []string) bool {
		return !slices.ContainsFunc(patterns, func(p string) bool {
			fits, err := filepath.Match(p, row[g.key[0]])
			return err == nil && fits
		})
	})
}

// name is what tells a row from the others.
func (g *grid) name(row []string) string {
	var b strings.Builder
	for _, k := range g.key {
		fmt.Fprintf(&b, "%q", row[k])
	}
	return b.String()
}

// write writes aligned columns, as wide as they are.
func (g *grid) write(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{g.head}, g.rows...) {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // nothing is left to do about it
}

// view is what a command shows: JSON as it came, or tables.
type view struct {
	json   []byte
	tables []*grid
}

func (v view) write(w io.Writer) {
	if v.json != nil {
		_, _ = w.Write(v.json) // nothing is left to do about it
		return
	}
	for i, g := range v.tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		g.write(w)
	}
}
