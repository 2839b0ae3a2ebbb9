package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// mood is how a line is coloured.
type mood uint8

const (
	plain mood = iota
	good
	bad
	unsure
	faint
	strong
)

// branch is a line of a tree, and what hangs on it.
type branch struct {
	text  string
	mood  mood
	below []*branch
}

// add hangs a line on the branch, and returns it.
func (b *branch) add(m mood, format string, args ...any) *branch {
	n := &branch{text: fmt.Sprintf(format, args...), mood: m}
	b.below = append(b.below, n)
	return n
}

// tree writes branches.
type tree struct {
	colour bool
	width  int // in characters, 0 for no bound
}

// write writes the branches below root one after the other, each a tree of its own.
func (t tree) write(w io.Writer, root *branch) {
	for i, b := range root.below {
		if i > 0 && len(b.below) > 0 {
			fmt.Fprintln(w)
		}
		t.branch(w, b, "", "")
	}
}

// branch writes a line behind first, and what follows of it behind rest.
func (t tree) branch(w io.Writer, b *branch, first, rest string) {
	hanging := rest + "  "
	if len(b.below) > 0 {
		hanging = rest + "│ "
	}
	if rest == "" && len(b.below) == 0 {
		hanging = ""
	}
	for i, line := range t.wrap(strings.Map(printable, b.text), utf8.RuneCountInString(first), utf8.RuneCountInString(hanging)) {
		lead := first
		if i > 0 {
			lead = hanging
		}
		fmt.Fprintln(w, t.paint(faint, lead)+t.paint(b.mood, line))
	}
	for i, n := range b.below {
		if i == len(b.below)-1 {
			t.branch(w, n, rest+"└ ", rest+"  ")
		} else {
			t.branch(w, n, rest+"├ ", rest+"│ ")
		}
	}
}

// wrap breaks text between words where it would be too wide: after first characters
// of a lead, and after rest ones on the lines that follow.
func (t tree) wrap(text string, first, rest int) []string {
	if t.width == 0 {
		return []string{text}
	}
	var lines []string
	line, room := "", t.width-first
	for word := range strings.SplitSeq(text, " ") {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			lines = append(lines, line)
			line, room = word, t.width-rest
			continue
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func (t tree) paint(m mood, s string) string {
	code := [...]string{plain: "", good: "32", bad: "31", unsure: "33", faint: "2", strong: "1"}[m]
	if !t.colour || code == "" || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
