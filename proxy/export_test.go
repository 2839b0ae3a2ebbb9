package proxy

import "github.com/lictor/lictor/limits"

// AppendLog writes the access log line of an exchange, for a benchmark of that
// alone.
func AppendLog(l *Log, x *Exchange, now limits.Time) { l.line(x, now, nil) }
