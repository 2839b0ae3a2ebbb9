package proxy

// WithRoutes returns the table with other routes, and all else as it is: for
// routes that go elsewhere while the policies stay. Its error is router.New's.
func (t *Table) WithRoutes(routes []*Route) (*Table, error) {
	n, err := NewTable(t.Generation, t.Gateway, routes)
	if err != nil {
		return nil, err
	}
	out := *t
	out.Routes, out.router = n.Routes, n.router
	return &out, nil
}
