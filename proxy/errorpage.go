package proxy

// ErrorPage is the body that replaces the problem document in answers of one
// status that the gateway makes itself.
type ErrorPage struct {
	ContentType string
	Body        []byte
}

// SetErrorPages makes these the error pages of all answers from now on, by
// status. The map is not changed afterwards; nil means none.
func (p *Proxy) SetErrorPages(pages map[int]ErrorPage) { p.pages.Store(&pages) }

// errorPage returns the page for a status. A nil p, as in an Exchange that a
// test of a step made up, has none.
func (p *Proxy) errorPage(status int) (ErrorPage, bool) {
	if p == nil {
		return ErrorPage{}, false
	}
	pages := p.pages.Load()
	if pages == nil {
		return ErrorPage{}, false
	}
	page, ok := (*pages)[status]
	return page, ok
}
