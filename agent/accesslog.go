package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
)

var logFormats = map[string]proxy.LogFormat{
	config.FormatJSON: proxy.JSONLog, config.FormatCommon: proxy.CommonLog, config.FormatCombined: proxy.CombinedLog,
}

// openAccessLog opens the log, before anything is served.
func (a *Agent) openAccessLog(c *config.Config) error {
	format, on := logFormats[c.AccessLog.Format]
	if !on {
		return nil
	}
	f, err := a.accessLogFile(c.AccessLog.Path)
	if err != nil {
		return fmt.Errorf("opening the access log: %w", err)
	}
	a.firstLog = f
	a.sink = accesslog.NewSink(runtime.GOMAXPROCS(0))
	a.proxy.SetLog(&proxy.Log{Sink: a.sink, Format: format})
	return nil
}

// closeAccessLog closes what openAccessLog opened, when the start fails.
func (a *Agent) closeAccessLog() {
	if a.firstLog != nil {
		_ = a.firstLog.Close() // nothing was written
	}
}

func (a *Agent) accessLogFile(path string) (io.WriteCloser, error) {
	if path == "-" {
		return unclosed{a.options.Stdout}, nil
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // the path is the operator's own
}

// unclosed is a writer that somebody else closes.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

func (a *Agent) runAccessLog(ctx context.Context) {
	path := a.config.AccessLog.Path
	open := func() (io.WriteCloser, error) {
		if f := a.firstLog; f != nil {
			a.firstLog = nil
			return f, nil
		}
		return a.accessLogFile(path)
	}
	if err := a.sink.Run(ctx, open); err != nil {
		a.log.Error("access log can't be written", "path", path, "error", err)
	}
}

// ReopenLogs opens the access log's file anew, after it was rotated away.
func (a *Agent) ReopenLogs(ctx context.Context) {
	if a.sink == nil {
		return
	}
	if err := a.sink.Reopen(ctx); err != nil {
		a.log.Error("access log can't be reopened", "error", err)
	}
}
