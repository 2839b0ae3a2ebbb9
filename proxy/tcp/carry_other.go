//go:build !linux || 386 || s390x

package tcp

// carry carries one way until it ends.
func (l *lane) carry() error { return l.copyThrough() }
