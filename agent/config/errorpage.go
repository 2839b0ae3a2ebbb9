package config

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"
)

// maxErrorPage bounds the file of an error page, in bytes.
const maxErrorPage = 1 << 20

// ErrorPage replaces the body of answers that the gateway makes itself.
type ErrorPage struct {
	// Status lists the status codes that it is for.
	Status []int
	// File is where the body was read from, and Body what was in it.
	File string
	Body []byte
	// ContentType follows from the file's name.
	ContentType string
}

type errorPageBlock struct {
	Status *hcl.Attribute `hcl:"status,optional"`
	File   *hcl.Attribute `hcl:"file,optional"`
}

func (r *reader) errorPages(blocks []*hcl.Block) []ErrorPage {
	var pages []ErrorPage
	taken := map[int]hcl.Range{}
	for _, b := range blocks {
		var in errorPageBlock
		r.decode(b, &in)
		p := ErrorPage{File: r.path(in.File, "")}
		if in.Status == nil {
			r.Errorf(b.DefRange, "Missing status", "An error_page needs the list of status codes that it is for, such as [404].")
		}
		for _, s := range r.statuses(in.Status, 400, 599) {
			if before, ok := taken[s.code]; ok {
				r.Errorf(s.at, "Duplicate error page", "There is a page for status %d already, at %s.", s.code, before)
				continue
			}
			taken[s.code] = s.at
			p.Status = append(p.Status, s.code)
		}
		r.errorPageFile(in.File, b.DefRange, &p)
		pages = append(pages, p)
	}
	return pages
}

// status is a status code and where it was written.
type status struct {
	code int
	at   hcl.Range
}

// statuses reads a list of status codes between two.
func (r *reader) statuses(a *hcl.Attribute, least, most int) []status {
	if a == nil {
		return nil
	}
	exprs, diags := hcl.ExprList(a.Expr)
	if diags.HasErrors() {
		r.Errorf(a.Expr.Range(), "Invalid status", "A list of status codes is required here, such as [404, 503].")
		return nil
	}
	var out []status
	for _, e := range exprs {
		code := r.integer(&hcl.Attribute{Name: a.Name, Expr: e, Range: e.Range()}, 0, least, most)
		if code != 0 {
			out = append(out, status{code, e.Range()})
		}
	}
	return out
}

// errorPageFile reads the page when the configuration is loaded, so that a
// missing one is found by validate and not by a client.
func (r *reader) errorPageFile(a *hcl.Attribute, at hcl.Range, p *ErrorPage) {
	if p.File == "" {
		r.Errorf(at, "Missing file", "An error_page needs the file that holds the page.")
		return
	}
	info, err := os.Stat(p.File)
	if err == nil && info.Size() > maxErrorPage {
		r.Errorf(a.Expr.Range(), "Error page too large", "%s has %d bytes, more than %d.", p.File, info.Size(), maxErrorPage)
		return
	}
	p.Body, err = os.ReadFile(p.File)
	if err != nil {
		r.Errorf(a.Expr.Range(), "Can't read the error page", "%s", attr.Sentence(err))
		return
	}
	p.ContentType = pageType(p.File)
}

// pageType tells the media type by the file's ending, from a list of its own: a
// machine's mime tables differ.
func pageType(file string) string {
	known := []struct{ ending, typ string }{
		{".html", "text/html; charset=utf-8"},
		{".htm", "text/html; charset=utf-8"},
		{".json", "application/json"},
		{".txt", "text/plain; charset=utf-8"},
		{".xml", "application/xml"},
	}
	ending := filepath.Ext(file)
	if i := slices.IndexFunc(known, func(k struct{ ending, typ string }) bool { return k.ending == ending }); i >= 0 {
		return known[i].typ
	}
	return "application/octet-stream"
}
