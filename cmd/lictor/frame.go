package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Sequences that all terminals of today understand (ECMA-48, and xterm's for the
// other screen).
const (
	otherScreen  = "\x1b[?1049h\x1b[?25l" // and no cursor
	usualScreen  = "\x1b[?25h\x1b[?1049l"
	toTopLeft    = "\x1b[H"
	clearLine    = "\x1b[K"
	clearBelow   = "\x1b[J"
	bold         = "\x1b[1m"
	reverse      = "\x1b[7m"
	usual        = "\x1b[0m"
	gap          = "  "
	ellipsis     = "…"
	leastColumn  = 6 // what a column is not made narrower than
	leastForRows = 3 // lines of a terminal: title, head, one row
)

// frame draws tables into a terminal of a size. Nothing wraps or scrolls: columns are
// cut, the widest first and what tells rows apart last, and rows that have no room are counted.
type frame struct {
	width, height int
	title         string
	note          string // what went wrong, "" for nothing
	at            time.Time
	before        map[string][]string // rows of the frame before, by table and name
}

// draw returns the sequences for the frame, and the rows for the next one.
func (f *frame) draw(tables []*grid) (string, map[string][]string) {
	var lines []string
	title := f.title + gap + f.at.Format(time.TimeOnly)
	if f.note != "" {
		title += gap + f.note
	}
	lines = append(lines, reverse+fill(title, f.width)+usual)
	seen := map[string][]string{}
	room := max(f.height, leastForRows) - 1
	hidden := 0
	for i, g := range tables {
		if i > 0 {
			lines, room = append(lines, ""), room-1
		}
		widths := fit(g, f.width)
		if room <= 1 {
			hidden += len(g.rows)
			continue
		}
		lines, room = append(lines, bold+line(g.head, widths, nil)+usual), room-1
		shown := len(g.rows)
		if last := i == len(tables)-1; shown > room || !last && shown == room {
			shown = max(room-1, 0) // the last line says that there is more
		}
		for n, row := range g.rows {
			name := fmt.Sprint(i, g.name(row))
			seen[name] = row
			if n < shown {
				lines = append(lines, line(row, widths, f.changed(name, row)))
			}
		}
		room -= shown
		hidden += len(g.rows) - shown
	}
	if hidden > 0 {
		lines = append(lines[:min(len(lines), max(f.height, leastForRows)-1)], cut(fmt.Sprintf("%s and %d more rows: name some, or enlarge the window", ellipsis, hidden), f.width))
	}
	var b strings.Builder
	b.WriteString(toTopLeft)
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(clearLine + l) // before it: behind the last column it would clear that
	}
	b.WriteString(clearBelow)
	return b.String(), seen
}

// changed says which cells differ from the frame before. A row that is new has all of
// them changed; in the first frame none has.
func (f *frame) changed(name string, row []string) []bool {
	if f.before == nil {
		return nil
	}
	was := f.before[name]
	marks := make([]bool, len(row))
	for i := range row {
		marks[i] = i >= len(was) || was[i] != row[i]
	}
	return marks
}

// fit returns the widths of a table's columns in a terminal.
func fit(g *grid, width int) []int {
	widths := make([]int, len(g.head))
	for _, row := range append([][]string{g.head}, g.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	total := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for total > width {
		i := widest(widths, g.key)
		if i < 0 {
			if i = widest(widths, nil); i < 0 {
				break
			}
		}
		widths[i]--
		total--
	}
	for i, left := 0, width; i < len(widths); i++ { // what still has no room is left out
		widths[i] = max(min(widths[i], left), 0)
		left -= widths[i] + len(gap)
	}
	return widths
}

// widest returns the widest column but for some, -1 when all are as narrow as can be.
func widest(widths []int, spared keys) int {
	found, most := -1, leastColumn
	for i, w := range widths {
		if w > most && !slices.Contains(spared, i) {
			found, most = i, w
		}
	}
	return found
}

// line aligns the cells of a row; those that are marked stand out.
func line(cells []string, widths []int, marks []bool) string {
	var b strings.Builder
	for i, cell := range cells {
		if widths[i] == 0 {
			break
		}
		if i > 0 {
			b.WriteString(gap)
		}
		text := cut(cell, widths[i])
		blank := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
		if marks != nil && marks[i] {
			text = reverse + text + usual
		}
		b.WriteString(text)
		if i < len(cells)-1 {
			b.WriteString(blank)
		}
	}
	return b.String()
}

// cut shortens a text to a width.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	if width <= 0 {
		return ""
	}
	return string([]rune(s)[:width-1]) + ellipsis
}

// fill makes a text exactly as wide.
func fill(s string, width int) string {
	s = cut(s, width)
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}
