package apikey

import "github.com/lictor/lictor/proxy"

// place is where a key is looked for: a field, or else a query parameter.
type place struct {
	field proxy.Alike // all spellings of header
	// header, in lower case, and query are what the policy says; one of them is empty.
	header, query string
}

// take finds the key of a request, and takes everything from it that an instance
// could take for the key. several says that there is more than one, so that each
// reader might take another. The key is lent until the request changes again.
func (p *place) take(q *proxy.Request) (key []byte, several bool) {
	if p.query != "" {
		return p.takeParameter(q)
	}
	f := &q.Fields
	n := 0
	for i := range f.Len() {
		if !f.Live(i) || !p.field.Is(f.Name(i)) {
			continue
		}
		if proxy.EqualFold(f.Name(i), p.header) { // the others are only removed
			key = f.Value(i)
			n++
		}
		f.Drop(i)
	}
	return key, n > 1
}

func (p *place) takeParameter(q *proxy.Request) (key []byte, several bool) {
	n := 0
	for value := range q.Parameter(p.query) {
		key = value
		n++
	}
	q.DropParameter(p.query)
	return key, n > 1
}
