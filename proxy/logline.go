package proxy

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy/accesslog"
)

// LogFormat is the look of an access log line.
type LogFormat uint8

// The formats.
const (
	JSONLog LogFormat = iota
	CommonLog
	CombinedLog
)

// LogQuery is how much of queries a log shows.
type LogQuery uint8

// The ways to show a query.
const (
	// RedactedQuery leaves out the values of parameters whose names are those of
	// secrets (Table.SecretParameters, and the usual).
	RedactedQuery LogQuery = iota
	// KeptQuery leaves out those of Table.SecretParameters only.
	KeptQuery
	// NoQuery leaves out the whole query.
	NoQuery
)

// Log says where access log lines go, how they look and which requests have one. It
// must not be copied once it is in use.
type Log struct {
	Sink   *accesslog.Sink
	Format LogFormat
	Query  LogQuery
	// Fields are put at the end of lines in JSON.
	Fields []LogField
	// Sample chooses the requests that have a line; nil means all.
	Sample *LogSample
	second atomic.Pointer[second]
}

// logLine is one line in the making.
type logLine struct {
	x       *Exchange
	b       []byte
	secrets redaction
	query   LogQuery
	most    int // bytes of any one value
}

// clipped bounds each value of a line that would be too long for the sink: one
// byte of it becomes at most six, and nobody may stay out of the log by sending
// much.
func (l *Log) clipped() int {
	const (
		most  = 512
		usual = 8       // values of any length
		names = 4 << 10 // and all else, in bytes
	)
	return min(most, (accesslog.MaxLine-names)/6/(usual+len(l.Fields)))
}

func (l *Log) line(x *Exchange, now limits.Time, secrets []string) {
	if l.Sample != nil && !l.Sample.keeps(x, now.Mono-x.Start.Mono) {
		return
	}
	line := l.Sink.Begin()
	start := len(line.B)
	e := logLine{x: x, b: line.B, secrets: redaction{extra: secrets, named: l.Query == KeptQuery}, query: l.Query, most: accesslog.MaxLine}
	if l.append(&e, now); len(e.b)-start > accesslog.MaxLine {
		e.b, e.most = e.b[:start], l.clipped()
		l.append(&e, now)
	}
	line.B = e.b
	l.Sink.Commit(line)
}

func (l *Log) append(e *logLine, now limits.Time) {
	switch p := e.x.Request.Protocol; {
	case l.Format == JSONLog && (p == TCP || p == TLS):
		l.appendPassage(e, now)
	case l.Format == JSONLog:
		l.appendJSON(e, now)
	default:
		l.appendCommon(e, l.Format == CombinedLog)
	}
}

// clip cuts a value that is too long.
func (e *logLine) clip(s []byte) []byte { return s[:min(len(s), e.most)] }

func (l *Log) appendJSON(e *logLine, now limits.Time) {
	x := e.x
	q := &x.Request
	b := append(e.b, `{"time":"`...)
	b = l.appendTime(b, x.Start.Wall)
	b = append(b, `","request_id":`...)
	b = appendJSONString(b, x.requestID)
	b = append(b, `,"client":"`...)
	b = x.Client.AppendTo(b)
	b = append(b, `","user":`...)
	b = appendJSONString(b, e.clip(stringBytes(x.User.Name)))
	b = append(b, `,"method":`...)
	b = appendJSONString(b, e.clip(q.Method))
	b = append(b, `,"host":`...)
	b = appendJSONString(b, e.clip(q.Host))
	b = append(b, `,"path":`...)
	b = appendJSONString(b, e.clip(x.received))
	b = append(b, `,"query":"`...)
	if e.query != NoQuery {
		b = appendRedacted(b, e.clip(x.loggedQuery()), e.secrets, appendJSONInner)
	}
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(x.Response.Status), 10)
	b = append(b, `,"bytes_in":`...)
	b = strconv.AppendInt(b, x.BytesIn, 10)
	b = append(b, `,"bytes_out":`...)
	b = strconv.AppendInt(b, x.BytesOut, 10)
	b = append(b, `,"duration_ms":`...)
	b = appendMillis(b, now.Mono-x.Start.Mono)
	b = append(b, `,"upstream_ms":`...)
	b = appendMillis(b, max(0, x.UpstreamEnd-x.UpstreamStart))
	b = append(b, `,"route":`...)
	service, instance := "", ""
	if x.Route == nil {
		b = append(b, `"-"`...)
	} else {
		b = appendJSONString(b, x.Route.Name())
		service = x.Service()
	}
	if x.Endpoint != nil {
		instance = x.Endpoint.Key()
	}
	b = append(b, `,"service":`...)
	b = appendJSONString(b, service)
	b = append(b, `,"instance":`...)
	b = appendJSONString(b, instance)
	b = append(b, `,"retries":`...)
	b = strconv.AppendInt(b, int64(x.Retries), 10)
	if l := x.refusedBy(); l != nil {
		b = append(b, `,"limit":`...)
		b = appendJSONString(b, l.Name)
		b = append(b, `,"limit_key_class":`...)
		b = appendJSONString(b, l.KeyClass)
		b = append(b, `,"user_agent":`...)
	} else {
		b = append(b, `,"limit":"","limit_key_class":"","user_agent":`...)
	}
	b = appendJSONString(b, e.clip(q.Fields.Get(UserAgent)))
	b = append(b, `,"referer":"`...)
	b = e.appendURL(b, q.Fields.Get(Referer), appendJSONInner)
	b = append(b, `","tls":`...)
	b = strconv.AppendBool(b, x.Conn.TLS)
	b = append(b, `,"protocol":"`...)
	b = append(b, q.Protocol.String()...)
	b = append(b, `","error":`...)
	b = appendJSONString(b, e.clip(stringBytes(x.errorText())))
	if t := &x.trace; t.Sampled {
		b = hex.AppendEncode(append(b, `,"trace_id":"`...), t.ID[:])
		b = hex.AppendEncode(append(b, `","span_id":"`...), t.Span[:])
		b = append(b, '"')
	}
	for i := range l.Fields {
		b = l.Fields[i].append(b, e)
	}
	e.b = append(b, '}', '\n')
}

// ErrorText says why an exchange went wrong, as the log has it: the kind of answer,
// and the cause. It is empty for one that did not.
func (x *Exchange) ErrorText() string { return x.errorText() }

// errorText says why an exchange went wrong: the kind of answer, and the cause.
func (x *Exchange) errorText() string {
	switch {
	case x.Problem != nil && x.Err != nil:
		return x.Problem.Name + ": " + x.Err.Error()
	case x.Problem != nil:
		return x.Problem.Name
	case x.Err != nil && (x.Response.Status == statusClientGone || x.headOut && !x.complete):
		return x.Err.Error()
	}
	return ""
}

// appendUser writes the user as the third word of a line, "-" for nobody. A space in
// a name would make two words of it.
func (e *logLine) appendUser(b []byte) []byte {
	name := e.x.User.Name
	if name == "" {
		return append(b, '-')
	}
	start := len(b)
	b = appendQuoted(b, e.clip(stringBytes(name)))
	for i, c := range b[start:] {
		if c == ' ' {
			b[start+i] = '_'
		}
	}
	return b
}

// appendCommon writes the NCSA common log format, and the combined one with
// referer and user agent.
func (l *Log) appendCommon(e *logLine, combined bool) {
	x, b := e.x, e.b
	if x.Client.IsValid() {
		b = x.Client.AppendTo(b)
	} else {
		b = append(b, '-')
	}
	b = append(b, ` - `...)
	b = e.appendUser(b)
	b = append(b, ` [`...)
	b = append(b, l.secondOf(x.Start.Wall).common[:]...)
	b = append(b, `] "`...)
	b = appendQuoted(b, e.clip(x.Request.Method))
	b = append(b, ' ')
	b = appendQuoted(b, e.clip(x.received))
	if x.Request.HasQuery && e.query != NoQuery {
		b = append(b, '?')
		b = appendRedacted(b, e.clip(x.loggedQuery()), e.secrets, appendQuoted)
	}
	b = append(b, ' ')
	b = append(b, x.Request.Protocol.String()...)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(x.Response.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, x.BytesOut, 10)
	if combined {
		b = append(b, ` "`...)
		if v := x.Request.Fields.Get(Referer); len(v) > 0 {
			b = e.appendURL(b, v, appendQuoted)
		} else {
			b = append(b, '-')
		}
		b = append(b, `" "`...)
		if v := x.Request.Fields.Get(UserAgent); len(v) > 0 {
			b = appendQuoted(b, e.clip(v))
		} else {
			b = append(b, '-')
		}
		b = append(b, '"')
	}
	e.b = append(b, '\n')
}

// appendQuoted escapes what would end the quotes or the line, as Apache does.
func appendQuoted(b, s []byte) []byte {
	for at := 0; ; at++ {
		end := plainUntil(s, at)
		b = append(b, s[at:end]...)
		if end == len(s) {
			return b
		}
		switch c := s[end]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		}
		at = end
	}
}

// appendURL writes a URL without the secrets in its query or fragment.
func (e *logLine) appendURL(b, url []byte, escape func(b, s []byte) []byte) []byte {
	url = e.clip(url)
	i := bytes.IndexByte(url, '?')
	if j := bytes.IndexByte(url, '#'); j >= 0 && (i < 0 || j < i) {
		i = j
	}
	if i < 0 {
		return escape(b, url)
	}
	if e.query == NoQuery {
		return escape(b, url[:i])
	}
	b = escape(b, url[:i+1])
	return appendRedacted(b, url[i+1:], e.secrets, escape)
}

// appendJSONInner is appendJSONString without the quotes.
func appendJSONInner(b, s []byte) []byte {
	at := len(b)
	b = appendJSONString(b, s)
	copy(b[at:], b[at+1:])
	return b[:len(b)-2]
}

// appendMillis writes a duration in milliseconds with three digits behind the
// point.
func appendMillis(b []byte, d time.Duration) []byte {
	us := d.Microseconds()
	b = strconv.AppendInt(b, us/1000, 10)
	us %= 1000
	return append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

// second is the texts of one second of wall time, in UTC, shared by all log lines
// in it.
type second struct {
	unix   int64
	json   [len(jsonSecond)]byte
	common [len(commonSecond)]byte
}

const (
	jsonSecond   = "2006-01-02T15:04:05."
	commonSecond = "02/Jan/2006:15:04:05 -0700"
)

func (l *Log) secondOf(wall time.Duration) *second {
	unix := int64(wall / time.Second)
	s := l.second.Load()
	if s == nil || s.unix != unix {
		t := time.Unix(unix, 0).UTC()
		s = &second{unix: unix}
		copy(s.json[:], t.Format(jsonSecond))
		copy(s.common[:], t.Format(commonSecond))
		l.second.Store(s)
	}
	return s
}

// appendTime writes a wall time in UTC with milliseconds (RFC 3339).
func (l *Log) appendTime(b []byte, wall time.Duration) []byte {
	b = append(b, l.secondOf(wall).json[:]...)
	ms := wall % time.Second / time.Millisecond
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}
