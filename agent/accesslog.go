package agent

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/accesslog"
)

var logFormats = map[string]proxy.LogFormat{
	config.FormatJSON: proxy.JSONLog, config.FormatCommon: proxy.CommonLog, config.FormatCombined: proxy.CombinedLog,
}

var logQueries = map[string]proxy.LogQuery{
	config.QueryRedact: proxy.RedactedQuery, config.QueryKeep: proxy.KeptQuery, config.QueryDrop: proxy.NoQuery,
}

// accessLog is one place that lines go to.
type accessLog struct {
	sink  *accesslog.Sink
	where string // for the agent's log
	open  accesslog.Opener
	first io.WriteCloser // what was opened before anything was served, until it runs
}

// openAccessLogs opens the logs, before anything is served.
func (a *Agent) openAccessLogs(c *config.Config) error {
	var logs []*proxy.Log
	for i := range c.AccessLogs {
		l := &c.AccessLogs[i]
		format, on := logFormats[l.Format]
		if !on {
			continue
		}
		to := &accessLog{sink: accesslog.NewSink(runtime.GOMAXPROCS(0)), where: l.Where(), open: a.logOpener(c, l)}
		var err error
		if to.first, err = to.open(); err != nil {
			return fmt.Errorf("opening the access log: %w", err)
		}
		to.sink.Tell(func(err error) { a.logTrouble(to, err) })
		a.logs = append(a.logs, to)
		out := &proxy.Log{Sink: to.sink, Format: format, Query: logQueries[l.Query], Sample: logSample(l.Sample)}
		for _, f := range l.Fields {
			out.Fields = append(out.Fields, f.Field())
		}
		logs = append(logs, out)
	}
	a.proxy.SetLogs(logs...)
	return nil
}

func logSample(s *config.LogSample) *proxy.LogSample {
	if s == nil {
		return nil
	}
	out := &proxy.LogSample{OneIn: uint64(s.OneIn), KeepStatus: s.KeepStatus, KeepSlower: s.KeepSlower} //nolint:gosec // never negative
	if len(s.Routes) > 0 {
		out.Routes = make(map[string]uint64, len(s.Routes))
		for name, n := range s.Routes {
			out.Routes[name] = uint64(n) //nolint:gosec // never negative
		}
	}
	return out
}

// closeAccessLogs closes what openAccessLogs opened, when the start fails.
func (a *Agent) closeAccessLogs() {
	for _, l := range a.logs {
		_ = l.first.Close() // nothing was written
	}
}

// logOpener returns what opens the place that lines go to, at the start and anew.
func (a *Agent) logOpener(c *config.Config, l *config.AccessLog) accesslog.Opener {
	switch {
	case l.Syslog != nil:
		return accesslog.Syslog{
			Network: l.Syslog.Network, Address: l.Syslog.Address, Facility: slices.Index(config.Facilities, l.Syslog.Facility),
			Host: c.NodeName, App: l.Syslog.Tag, Process: strconv.Itoa(os.Getpid()),
		}.Open
	case l.Path == "-":
		return func() (io.WriteCloser, error) { return unclosed{a.options.Stdout}, nil }
	case l.Rotate != nil:
		r := accesslog.Rotation{Size: l.Rotate.Size, Every: l.Rotate.Every, Keep: l.Rotate.Keep}
		return accesslog.Rotated(l.Path, r, time.Now, func(err error) {
			a.log.Warn("access log can't be put away", "path", l.Path, "error", err)
		})
	}
	return func() (io.WriteCloser, error) { return accesslog.OpenFile(l.Path) }
}

// logTrouble tells that lines are lost, and that they are no longer.
func (a *Agent) logTrouble(l *accessLog, err error) {
	if err != nil {
		a.log.Warn("access log can't be written, lines are lost", "path", l.where, "error", err)
		return
	}
	a.log.Info("access log is written again", "path", l.where, "lost", l.sink.Dropped())
}

// unclosed is a writer that somebody else closes.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

func (a *Agent) runAccessLog(ctx context.Context, l *accessLog) {
	open := func() (io.WriteCloser, error) {
		if f := l.first; f != nil {
			l.first = nil
			return f, nil
		}
		return l.open()
	}
	if err := l.sink.Run(ctx, open); err != nil {
		a.log.Error("access log can't be written", "path", l.where, "error", err)
	}
}

// ReopenLogs opens the access logs' files anew, after they were rotated away.
func (a *Agent) ReopenLogs(ctx context.Context) {
	for _, l := range a.logs {
		if err := l.sink.Reopen(ctx); err != nil {
			a.log.Error("access log can't be reopened", "path", l.where, "error", err)
		}
	}
}

// droppedLines counts the lines that were lost, over all logs.
func (a *Agent) droppedLines() uint64 {
	var n uint64
	for _, l := range a.logs {
		n += l.sink.Dropped()
	}
	return n
}
