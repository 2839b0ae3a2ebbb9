package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often everything is measured; the medians count")
	turn := flag.Duration("turn", 100*time.Millisecond, "for how long each thing is timed in a round")
	n := flag.Int("keys", 1_000_000, "how many keys there are")
	only := flag.String("only", "", "measure only what has this in its name")
	flag.Parse()
	s := scale{keys: newKeys(*n), turn: *turn}
	if err := run(os.Stdout, os.Stderr, s, *rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures and prints a table in Markdown.
func run(out, progress io.Writer, s scale, rounds int, only string) error {
	all := slices.DeleteFunc(contenders(), func(c contender) bool { return !strings.Contains(c.name, only) })
	if len(all) == 0 || rounds < 1 {
		return fmt.Errorf("nothing to measure: %d rounds of what is called %q", rounds, only)
	}
	heads := []string{""}
	formats := []string{""}
	for _, sc := range scenarios() {
		for _, c := range sc.columns {
			heads = append(heads, c.head)
			formats = append(formats, c.format)
		}
	}
	seen := make([][][]float64, len(all)) // by contender, then column, then round
	for i := range seen {
		seen[i] = make([][]float64, len(heads))
	}
	for round := range rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, rounds)
		first := 1
		for _, sc := range scenarios() {
			for i, c := range all {
				numbers, err := sc.run(c, s)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, sc.columns[0].head, err)
				}
				for j, v := range numbers {
					seen[i][first+j] = append(seen[i][first+j], v)
				}
			}
			first += len(sc.columns)
		}
	}
	rows := [][]string{heads}
	for i, c := range all {
		row := []string{c.name}
		for j := 1; j < len(heads); j++ {
			row = append(row, fmt.Sprintf(formats[j], median(seen[i][j])))
		}
		rows = append(rows, row)
	}
	return markdown(out, rows)
}

// median returns the middle one, or the greater of two.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// markdown prints a table whose first row is its head: text to the left, numbers
// to the right.
func markdown(out io.Writer, rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell), 3)
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, cell := range row {
			if i == 0 {
				fmt.Fprintf(&b, "| %-*s ", widths[i], cell)
			} else {
				fmt.Fprintf(&b, "| %*s ", widths[i], cell)
			}
		}
		b.WriteString("|\n")
		for i, w := range widths {
			switch {
			case n > 0:
			case i == 0:
				b.WriteString("|" + strings.Repeat("-", w+2))
			default:
				b.WriteString("|" + strings.Repeat("-", w+1) + ":")
			}
			if n == 0 && i == len(widths)-1 {
				b.WriteString("|\n")
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
