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

func (p *Proxy) errorPage(status int) (ErrorPage, bool) {
	pages := p.pages.Load()
	if pages == nil {
		return ErrorPage{}, false
	}
	page, ok := (*pages)[status]
	return page, ok
}
