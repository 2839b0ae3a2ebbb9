package simulate

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

//go:embed report.html
var pageText string

// WriteHTML writes the report as one page for browsers. It asks for nothing else,
// runs no script, and shows what logs hold as text.
func (r *Report) WriteHTML(w io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"grouped": grouped, "percent": percent, "clock": clock, "at": at, "about": about, "within": within,
		"chart": newChart, "plain": plain,
		"stretch": func(k KeyReport) string { return stretchText(&k) },
		"part":    func(n, of uint64) string { return percent(float64(n) / float64(max(1, of))) },
		"bar":     func(n, of uint64) string { return fmt.Sprintf("%.1f", 100*float64(n)/float64(max(1, of))) },
		"names":   func(m map[string]uint64) []string { return slices.Sorted(maps.Keys(m)) },
		"count":   func(m map[string]uint64, name string) string { return grouped(m[name]) },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("reading the page's template: %w", err)
	}
	return page.Execute(w, pageData{Report: r, Sorted: r.worst()})
}

// pageData is what the template sees.
type pageData struct {
	*Report
	Sorted []LimitReport
}

// Bad counts the lines that could not be read.
func (p pageData) Bad() (n uint64) {
	for _, f := range p.Logs {
		n += f.Bad
	}
	return n
}

// Span is how long the log is.
func (p pageData) Span() string { return p.To.Sub(p.From).Round(time.Second).String() }

// The size of a chart in its own units.
const (
	chartWidth  = 720
	chartHeight = 96
)

// chart is a timeline as it is drawn.
type chart struct {
	Width, Height int
	// Allowed and Denied are paths of bars that stand on one another.
	Allowed, Denied string
	// Most is the highest bar, in requests a part.
	Most     uint64
	Part     string
	From, To string
	Label    string
}

func newChart(t Timeline) *chart {
	n := len(t.Allowed)
	if n == 0 {
		return nil
	}
	c := &chart{Width: chartWidth, Height: chartHeight}
	var denied uint64
	for i := range n {
		c.Most = max(c.Most, t.Allowed[i]+t.Denied[i])
		denied += t.Denied[i]
	}
	width := float64(chartWidth) / float64(max(n, 24))
	var allowedPath, deniedPath strings.Builder
	for i := range n {
		x, gap := float64(i)*width, min(1, width/5)
		scale := float64(chartHeight) / float64(c.Most)
		a, d := float64(t.Allowed[i])*scale, float64(t.Denied[i])*scale
		if d > 0 {
			d = max(d, 1.5) // one denial is seen in a million
		}
		a = min(a, chartHeight-d)
		draw(&allowedPath, x, chartHeight-a, width-gap, a)
		draw(&deniedPath, x, chartHeight-a-d, width-gap, d)
	}
	part := time.Duration(t.PartMS) * time.Millisecond
	c.Allowed, c.Denied, c.Part = allowedPath.String(), deniedPath.String(), short(part)
	c.From, c.To = clock(t.From), clock(t.From.Add(part*time.Duration(max(n, 24))))
	c.Label = fmt.Sprintf("Requests over time from %s to %s: at most %s in %s; %s denied in all", c.From, c.To, grouped(c.Most), c.Part, grouped(denied))
	return c
}

func draw(path *strings.Builder, x, y, width, height float64) {
	if height > 0 {
		fmt.Fprintf(path, "M%.1f %.1fh%.1fv%.1fh-%.1fz", x, y, width, height, width)
	}
}

// short writes a time without what is zero at its end.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
