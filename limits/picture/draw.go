package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The measures of a picture, in pixels. Panels are placed by their floor.
const (
	width     = 730.0
	left      = 34.0 // of the time line
	perSecond = 11.2

	dot       = 2.35                   // radius
	cell      = 5.6                    // a dot and the space around it
	column    = 500 * time.Millisecond // requests within are stacked
	arriving  = 106.0                  // floor of the dots
	leaving   = 14.0                   // further for the floor of those that waited
	remaining = 168.0
	trailing  = 252.0
	bottom    = 282.0 // of the picture
)

// style is legible on a light and on a dark page: the picture brings its own
// background, for not every page follows the reader's preference.
const style = `
.page{fill:#fff;stroke:#d0d7de}
.text,.note{font:11px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;fill:#1f2328}
.text{font-size:12px}.bold{font-weight:600}
.note{fill:#59636e}.end{text-anchor:end}.mid{text-anchor:middle}
.rule{stroke:#d0d7de;fill:none}
.edge{stroke:#afb8c1;fill:none;stroke-dasharray:1 3}
.pass{fill:#0969da}
.wait{fill:#b6d7ff;stroke:#0969da}
.refuse{fill:none;stroke:#d1570c;stroke-width:1.1}
.area{fill:#0969da;fill-opacity:.16}
.line{fill:none;stroke:#0969da;stroke-width:1.3}
.most{stroke:#d1570c;fill:none;stroke-dasharray:5 3}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117;stroke:#3d444d}
.text{fill:#f0f6fc}.note{fill:#9198a1}
.rule{stroke:#3d444d}.edge{stroke:#656c76}
.pass{fill:#58a6ff}
.wait{fill:#1c4478;stroke:#58a6ff}
.refuse,.most{stroke:#f0883e}
.area{fill:#58a6ff;fill-opacity:.2}
.line{stroke:#58a6ff}
}
`

// canvas collects the elements of a picture.
type canvas struct{ bytes.Buffer }

// draw returns the story as an SVG document.
func draw(st *story) []byte {
	c := &canvas{}
	shift := 0.0
	if st.longestWait() > 0 {
		shift = leaving
	}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-labelledby="title desc">`+"\n", px(width), px(bottom+shift))
	fmt.Fprintf(c, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n", escape(st.subject.heading()), escape(st.description()))
	fmt.Fprintf(c, "<style>%s</style>\n", style)
	fmt.Fprintf(c, `<rect class="page" x=".5" y=".5" width="%s" height="%s" rx="6"/>`+"\n", px(width-1), px(bottom+shift-1))
	c.heading(st, shift > 0)
	c.edges(st, shift)
	c.requests(st)
	c.panel(st.remaining, remaining+shift, 4, []int{0, 5, 10}, "remaining")
	c.panel(st.trailing, trailing+shift, 2.7, []int{0, 10, 20}, map[bool]string{false: "passed in the last 10 s", true: "went on in the last 10 s"}[shift > 0])
	y := trailing + shift - 2.7*float64(st.subject.promise)
	fmt.Fprintf(c, `<path class="most" d="M%s %sH%s"/>`+"\n", px(left), px(y), px(x(span)))
	c.text("note end", x(span), y-4, fmt.Sprintf("never more than %d", st.subject.promise))
	for t := time.Duration(0); t <= span; t += window {
		c.text("note mid", x(t), trailing+shift+15, fmt.Sprintf("%d:%02d", t/time.Minute, t%time.Minute/time.Second))
	}
	c.WriteString("</svg>\n")
	return c.Bytes()
}

// description says in words what the picture shows.
func (st *story) description() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Of %d requests within a minute %d pass and %d are refused", len(st.requests), st.passed(), st.refused())
	if d := st.longestWait(); d > 0 {
		fmt.Fprintf(&b, "; those that come early wait, up to %s", d)
	}
	fmt.Fprintf(&b, ". Within any ten seconds at most %d go on; the limit promises never more than %d. Passed:", st.most(), st.subject.promise)
	first, comma := 0, ""
	for _, p := range phases() {
		n := 0
		for _, r := range st.requests[first : first+p.count] {
			if r.decision.Allowed {
				n++
			}
		}
		first += p.count
		fmt.Fprintf(&b, "%s %d of %d (%s)", comma, n, p.count, p.name)
		comma = ","
	}
	b.WriteString(".")
	return b.String()
}

// heading names the limit, explains the dots and captions the phases.
func (c *canvas) heading(st *story, waits bool) {
	fmt.Fprintf(c, `<text class="text" x="%s" y="22"><tspan class="bold">%s</tspan>  %s</text>`+"\n", px(left), escape(st.subject.name), escape(st.subject.says))
	at := x(span) - 116
	if waits {
		at -= 126
	}
	c.legend(&at, "pass", "passed", 60)
	if waits {
		c.legend(&at, "wait", "passed after a wait", 126)
	}
	c.legend(&at, "refuse", "refused", 0)
	for _, p := range phases() {
		middle := p.start + time.Duration(p.count-1)*p.every/2
		c.text("note mid", x(middle), 46, p.name)
	}
}

func (c *canvas) legend(at *float64, class, text string, wide float64) {
	fmt.Fprintf(c, `<circle class="%s" cx="%s" cy="18" r="%s"/>`+"\n", class, px(*at), px(dot+.6))
	c.text("note", *at+7, 22, text)
	*at += wide
}

// edges draws the windows, through all panels.
func (c *canvas) edges(st *story, shift float64) {
	if st.subject.edges == 0 {
		return
	}
	c.WriteString(`<path class="edge" d="`)
	for t := st.subject.edges; t < span; t += st.subject.edges {
		fmt.Fprintf(c, "M%s 52V%s", px(x(t)), px(trailing+shift))
	}
	c.WriteString("\"/>\n")
}

// requests draws one dot for each, those of one column upon another, and below
// the line the moments at which they went on, if any had to wait.
func (c *canvas) requests(st *story) {
	fmt.Fprintf(c, `<path class="rule" d="M%s %sH%s"/>`+"\n", px(left), px(arriving), px(x(span)))
	groups := map[string]*bytes.Buffer{"pass": {}, "wait": {}, "refuse": {}}
	stacked := map[time.Duration]int{}
	place := func(class string, t time.Duration, floor, up float64, column map[time.Duration]int, width time.Duration) {
		slot := t / width
		y := floor + up*(float64(column[slot])+.5)*cell
		column[slot]++
		fmt.Fprintf(groups[class], `<circle cx="%s" cy="%s" r="%s"/>`, px(x(slot*width)+cell/2), px(y), px(dot))
	}
	for _, r := range st.requests {
		class := "refuse"
		switch {
		case r.decision.Delay > 0:
			class = "wait"
		case r.decision.Allowed:
			class = "pass"
		}
		place(class, r.at, arriving-1, -1, stacked, column)
	}
	if st.longestWait() > 0 {
		left := map[time.Duration]int{}
		for _, r := range st.requests {
			if r.decision.Allowed && r.at+r.decision.Delay < span {
				place("pass", r.at+r.decision.Delay, arriving+4, 1, left, column)
			}
		}
	}
	for _, class := range []string{"pass", "wait", "refuse"} {
		if groups[class].Len() > 0 {
			fmt.Fprintf(c, `<g class="%s">%s</g>`+"\n", class, groups[class])
		}
	}
}

// panel draws levels as steps over a floor.
func (c *canvas) panel(levels []level, floor, unit float64, ticks []int, caption string) {
	for _, n := range ticks {
		y := floor - unit*float64(n)
		fmt.Fprintf(c, `<path class="rule" d="M%s %sH%s"/>`+"\n", px(left), px(y), px(x(span)))
		c.text("note end", left-6, y+4, strconv.Itoa(n))
	}
	var steps strings.Builder
	fmt.Fprintf(&steps, "M%s %s", px(left), px(floor-unit*float64(levels[0].count)))
	last := levels[0].count
	for _, l := range levels[1:] {
		if l.count != last {
			fmt.Fprintf(&steps, "H%sV%s", px(x(l.at)), px(floor-unit*float64(l.count)))
			last = l.count
		}
	}
	fmt.Fprintf(&steps, "H%s", px(x(span)))
	fmt.Fprintf(c, `<path class="area" d="%sV%sH%s"/>`+"\n", &steps, px(floor), px(left))
	fmt.Fprintf(c, `<path class="line" d="%s"/>`+"\n", &steps)
	c.text("note", left, floor-unit*float64(ticks[len(ticks)-1])-6, caption)
}

func (c *canvas) text(class string, x, y float64, s string) {
	fmt.Fprintf(c, `<text class="%s" x="%s" y="%s">%s</text>`+"\n", class, px(x), px(y), escape(s))
}

// x is where a moment is.
func x(t time.Duration) float64 { return left + t.Seconds()*perSecond }

// px writes a length with at most two decimals.
func px(v float64) string {
	return strconv.FormatFloat(float64(int64(v*100+.5))/100, 'f', -1, 64)
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
