package simulate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// WriteText writes the report as tables for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	p := printer{w: w}
	lines, bad := uint64(0), uint64(0)
	for _, f := range r.Logs {
		lines, bad = lines+f.Lines, bad+f.Bad
		p.line("%s: %s, %s lines", f.Name, f.Format, grouped(f.Lines))
	}
	if r.Requests > 0 {
		p.line("%s requests from %s to %s (%s)", grouped(r.Requests), clock(r.From), clock(r.To), r.To.Sub(r.From).Round(time.Second))
		p.line("%s would go to a service, %s would be told to come later (%s; %s when recorded)",
			grouped(r.Admitted), grouped(r.Denied), percent(float64(r.Denied)/float64(r.Requests)), grouped(r.Recorded))
	}
	p.limits(r.Limits)
	for i := range r.Limits {
		p.keys(&r.Limits[i])
	}
	p.answers(r.Answers)
	if len(r.Unmatched) > 0 {
		p.line("\nNo route takes, most frequent first:")
		p.table(func(t row) {
			t("  REQUESTS", "REQUEST")
			for _, u := range r.Unmatched {
				t("  "+within(u.Requests, u.Error), u.Request)
			}
		})
	}
	if bad > 0 {
		p.line("\n%s of %s lines can't be read:", grouped(bad), grouped(lines))
		for _, b := range r.BadLines {
			p.line("  %s:%d: %s: %s", b.File, b.Line, b.Why, b.Text)
		}
	}
	if r.Late > 0 {
		p.line("\n%s requests stand more than %s behind later ones, and are decided out of order.", grouped(r.Late), Window)
	}
	if len(r.Notes) > 0 {
		p.line("\nNot known from the log, or not simulated:")
		for _, n := range r.Notes {
			p.line("  - %s", n)
		}
	}
	return p.err
}

// printer remembers the first error of writing.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = plain(s)
		}
	}
	if _, err := fmt.Fprintf(p.w, format+"\n", args...); p.err == nil {
		p.err = err
	}
}

// row writes the cells of a row.
type row func(cells ...any)

func (p *printer) table(fill func(row)) {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	fill(func(cells ...any) {
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = plain(fmt.Sprint(c))
		}
		fmt.Fprintln(t, strings.Join(texts, "\t"))
	})
	if err := t.Flush(); p.err == nil {
		p.err = err
	}
}

// plain keeps what a log holds from speaking to the terminal, and from breaking
// the columns.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func (p *printer) limits(all []LimitReport) {
	if len(all) == 0 {
		p.line("\nThe policy has no limits.")
		return
	}
	p.line("")
	p.table(func(t row) {
		t("LIMIT", "ALGORITHM", "KEY", "REQUESTS", "PASS", "DELAYED", "DENIED", "SHARE", "REFUSED BY OTHERS", "FIRST MINUTE", "WORST MINUTE", "KEYS", "KEYS DENIED")
		for i := range all {
			l := &all[i]
			if !l.Simulated {
				continue
			}
			denied := grouped(l.Denied)
			if l.Mode == "permissive" {
				denied += " (permissive)"
			}
			t(l.Name, l.Algorithm, l.Key, grouped(l.Requests), grouped(l.Passed), grouped(l.Delayed), denied, percent(l.Share), grouped(l.RefusedByOthers),
				at(l.First), at(l.Worst), about(l.Keys, l.Exact), about(l.DeniedKeys, l.Exact))
		}
	})
	if !slices.ContainsFunc(all, func(l LimitReport) bool { return !l.Simulated }) {
		return
	}
	p.line("\nLimits that were left out:")
	p.table(func(t row) {
		for i := range all {
			if l := &all[i]; !l.Simulated {
				t("  "+l.Name, l.Key, l.Why)
			}
		}
	})
}

func (p *printer) keys(l *LimitReport) {
	if len(l.Top) == 0 {
		return
	}
	p.line("\nDenied most by %s (%s):", l.Name, l.Key)
	p.table(func(t row) {
		t("  DENIED", "OF", "WORST STRETCH", "KEY")
		for _, k := range l.Top {
			t("  "+within(k.Denied, k.Error), grouped(k.Requests), stretchText(&k), k.Key)
		}
	})
}

func stretchText(k *KeyReport) string {
	return fmt.Sprintf("%s in %s from %s", grouped(k.WorstDenied), k.WorstTo.Sub(k.WorstFrom).Round(time.Millisecond), clock(k.WorstFrom))
}

func (p *printer) answers(all map[string]uint64) {
	if len(all) == 0 {
		return
	}
	p.line("\nThe gateway's own answers:")
	p.table(func(t row) {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			t("  "+name, grouped(all[name]))
		}
	})
}

func at(m *Minute) string {
	if m == nil {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", m.At.Format("01-02 15:04"), grouped(m.Denied))
}

func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05") }

func percent(share float64) string {
	switch {
	case share > 0 && share < 0.0001:
		return "<0.01 %"
	case share > 0.9999 && share < 1:
		return ">99.99 %"
	}
	return fmt.Sprintf("%.2f %%", 100*share)
}

// about writes an estimate as one.
func about(n uint64, exact bool) string {
	if exact {
		return grouped(n)
	}
	return "~" + grouped(n)
}

// within writes a count that may be too high by so much.
func within(n, tooHigh uint64) string {
	if tooHigh == 0 {
		return grouped(n)
	}
	return fmt.Sprintf("%s-%s", grouped(n-tooHigh), grouped(n))
}

// grouped writes a number with commas between its thousands.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
