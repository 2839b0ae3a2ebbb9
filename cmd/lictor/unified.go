package main

import (
	"fmt"
	"slices"
	"strings"
)

const (
	// context is how many lines around a change are shown.
	diffContext = 3
	// mostEdits bounds the search for the shortest difference, whose memory grows
	// with its square. Texts that differ more are shown as replaced as a whole.
	mostEdits = 2000
)

// edit is one line of a difference: ' ' in both, '-' in the first, '+' in the
// second only.
type edit struct {
	op   byte
	line string
}

// unified is the difference of two texts in the unified format, "" when there is
// none.
func unified(fromName, toName, from, to string) string {
	if from == to {
		return ""
	}
	edits := difflines(lines(from), lines(to))
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", fromName, toName)
	// at are the lines of both texts before edits[i].
	for i, a, z := 0, 0, 0; i < len(edits); {
		if edits[i].op == ' ' {
			i, a, z = i+1, a+1, z+1
			continue
		}
		begin := max(0, i-diffContext)
		for j := i - 1; j >= begin; j-- { // these are in both
			a, z = a-1, z-1
		}
		end := hunkEnd(edits, i)
		countA, countZ := 0, 0
		for _, e := range edits[begin:end] {
			if e.op != '+' {
				countA++
			}
			if e.op != '-' {
				countZ++
			}
		}
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", span(a, countA), span(z, countZ))
		for _, e := range edits[begin:end] {
			b.WriteByte(e.op)
			b.WriteString(strings.TrimSuffix(e.line, "\n"))
			b.WriteByte('\n')
			if !strings.HasSuffix(e.line, "\n") {
				b.WriteString("\\ No newline at end of file\n")
			}
		}
		i, a, z = end, a+countA, z+countZ
	}
	return b.String()
}

// hunkEnd returns where the hunk ends that has a change at i: after the context
// that follows its last change, further changes within reach included.
func hunkEnd(edits []edit, i int) int {
	last := i
	for j := i; j < len(edits) && j-last <= 2*diffContext; j++ {
		if edits[j].op != ' ' {
			last = j
		}
	}
	return min(len(edits), last+1+diffContext)
}

// span is where a hunk begins, counted from 1, and how many lines it has.
func span(before, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, count)
}

func lines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		out = append(out, l)
	}
	return out
}

// difflines is the shortest list of edits from a to b (Myers 1986), or, when that
// is long, one that removes and adds all that lies between what is alike at the
// ends.
func difflines(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out := same(a[:head])
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return append(out, same(a[len(a)-tail:])...)
}

func same(text []string) []edit {
	out := make([]edit, 0, len(text))
	for _, l := range text {
		out = append(out, edit{' ', l})
	}
	return out
}

// middle walks the diagonals k = x - y; furthest[k] is how far x gets with d
// edits.
func middle(a, b []string) []edit {
	most := min(len(a)+len(b), mostEdits)
	furthest := map[int]int{1: 0}
	var trail []map[int]int
	for d := 0; d <= most; d++ {
		now := make(map[int]int, d+2)
		for k := -d; k <= d; k += 2 {
			x := reach(furthest, k, d)
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			now[k] = x
			if x >= len(a) && y >= len(b) {
				return back(append(trail, furthest), a, b, d)
			}
		}
		trail = append(trail, furthest)
		furthest = now
	}
	var out []edit
	for _, l := range a {
		out = append(out, edit{'-', l})
	}
	for _, l := range b {
		out = append(out, edit{'+', l})
	}
	return out
}

// reach is where diagonal k begins with the d-th edit: a line of b added, or one
// of a removed, whichever gets further.
func reach(furthest map[int]int, k, d int) int {
	if k == -d || k != d && furthest[k-1] < furthest[k+1] {
		return furthest[k+1]
	}
	return furthest[k-1] + 1
}

// back follows the trail from the end of both texts to their beginning.
func back(trail []map[int]int, a, b []string, d int) []edit {
	var reversed []edit
	x, y := len(a), len(b)
	for ; d >= 0; d-- {
		k := x - y
		start := reach(trail[d], k, d)
		for x > start && y > start-k {
			x, y = x-1, y-1
			reversed = append(reversed, edit{' ', a[x]})
		}
		switch {
		case d == 0:
		case k == -d || k != d && trail[d][k-1] < trail[d][k+1]:
			y--
			reversed = append(reversed, edit{'+', b[y]})
		default:
			x--
			reversed = append(reversed, edit{'-', a[x]})
		}
	}
	slices.Reverse(reversed)
	return reversed
}
