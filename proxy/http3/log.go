package http3

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// complaints turns quic-go's log into lines of ours, at debug: they are about
// clients. It implements slog.Handler.
type complaints struct{ log hclog.Logger }

// Enabled implements slog.Handler.
func (c complaints) Enabled(context.Context, slog.Level) bool { return c.log.IsDebug() }

// Handle implements slog.Handler.
func (c complaints) Handle(_ context.Context, r slog.Record) error {
	var fields []any
	r.Attrs(func(a slog.Attr) bool {
		fields = append(fields, a.Key, a.Value.String())
		return true
	})
	c.log.Debug(r.Message, fields...)
	return nil
}

// WithAttrs implements slog.Handler.
func (c complaints) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		c.log = c.log.With(a.Key, a.Value.String())
	}
	return c
}

// WithGroup implements slog.Handler. Groups are not told.
func (c complaints) WithGroup(string) slog.Handler { return c }
