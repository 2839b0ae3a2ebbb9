package nethttp

// CloseWrite ends our direction only.
func (t *tunnel) CloseWrite() error {
	if w, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return t.Conn.Close()
}
