package proxy

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lictor/lictor/limits"
)

// LogFormat is the look of an access log line.
type LogFormat uint8

// The formats.
const (
	JSONLog LogFormat = iota
	CommonLog
	CombinedLog
)

func (l *Log) line(x *Exchange, now limits.Time) {
	line := l.Sink.Begin()
	switch l.Format {
	case JSONLog:
		line.B = x.appendJSONLine(line.B, now)
	default:
		line.B = x.appendCommonLine(line.B, l.Format == CombinedLog)
	}
	l.Sink.Commit(line)
}

func (x *Exchange) appendJSONLine(b []byte, now limits.Time) []byte {
	q := &x.Request
	b = append(b, `{"time":"`...)
	b = appendRFC3339(b, x.Start.Wall)
	b = append(b, `","request_id":`...)
	b = appendJSONString(b, x.requestID)
	b = append(b, `,"client":"`...)
	b = x.Client.AppendTo(b)
	b = append(b, `","method":`...)
	b = appendJSONString(b, q.Method)
	b = append(b, `,"host":`...)
	b = appendJSONString(b, q.Host)
	b = append(b, `,"path":`...)
	b = appendJSONString(b, x.received)
	b = append(b, `,"query":`...)
	b = appendQuery(b, q.Query)
	b = append(b, `,"status":`...)
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
		service = x.Route.Service
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
	limit, class := "", ""
	if l := x.refusedBy(); l != nil {
		limit, class = l.Name, l.KeyClass
	}
	b = append(b, `,"limit":`...)
	b = appendJSONString(b, limit)
	b = append(b, `,"limit_key_class":`...)
	b = appendJSONString(b, class)
	b = append(b, `,"user_agent":`...)
	b = appendJSONString(b, q.Fields.Get(UserAgent))
	b = append(b, `,"referer":`...)
	b = appendURL(b, q.Fields.Get(Referer))
	b = append(b, `,"tls":`...)
	b = strconv.AppendBool(b, x.Conn.TLS)
	b = append(b, `,"protocol":"`...)
	b = append(b, q.Protocol.String()...)
	b = append(b, `","error":`...)
	b = appendJSONString(b, x.errorText())
	return append(b, '}', '\n')
}

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

// appendCommonLine writes the NCSA common log format, and the combined one with
// referer and user agent.
func (x *Exchange) appendCommonLine(b []byte, combined bool) []byte {
	b = x.Client.AppendTo(b)
	b = append(b, ` - - [`...)
	b = time.Unix(0, int64(x.Start.Wall)).UTC().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	b = appendQuoted(b, x.Request.Method)
	b = append(b, ' ')
	b = appendQuoted(b, x.received)
	if x.Request.HasQuery {
		b = append(b, '?')
		b = appendRedacted(b, x.Request.Query, appendQuoted)
	}
	b = append(b, ' ')
	b = append(b, x.Request.Protocol.String()...)
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(x.Response.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, x.BytesOut, 10)
	if combined {
		b = appendDashed(append(b, ` "`...), x.Request.Fields.Get(Referer), appendQuotedURL)
		b = appendDashed(append(b, `" "`...), x.Request.Fields.Get(UserAgent), appendQuoted)
		b = append(b, '"')
	}
	return append(b, '\n')
}

func appendDashed(b, s []byte, quote func(b, s []byte) []byte) []byte {
	if len(s) == 0 {
		return append(b, '-')
	}
	return quote(b, s)
}

// appendQuoted escapes what would end the quotes or the line, as Apache does.
func appendQuoted(b, s []byte) []byte {
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c >= 0x7f:
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

func appendQuotedURL(b, s []byte) []byte {
	path, query, has := bytes.Cut(s, []byte{'?'})
	if b = appendQuoted(b, path); has {
		b = appendRedacted(append(b, '?'), query, appendQuoted)
	}
	return b
}

// appendQuery writes a query as a JSON string without the secrets in it.
func appendQuery(b, query []byte) []byte {
	b = append(b, '"')
	b = appendRedacted(b, query, appendJSONInner)
	return append(b, '"')
}

// appendURL writes a URL as a JSON string without the secrets in its query.
func appendURL(b, url []byte) []byte {
	path, query, has := bytes.Cut(url, []byte{'?'})
	b = append(b, '"')
	b = appendJSONInner(b, path)
	if has {
		b = appendRedacted(append(b, '?'), query, appendJSONInner)
	}
	return append(b, '"')
}

// appendJSONInner is appendJSONString without the quotes.
func appendJSONInner(b, s []byte) []byte {
	at := len(b)
	b = appendJSONString(b, s)
	copy(b[at:], b[at+1:])
	return b[:len(b)-2]
}

// secretParameters are the query parameters whose values never reach a log:
// where tokens travel in URLs (RFC 6750 section 2.3, RFC 6749) and what
// applications commonly call theirs.
var secretParameters = []string{
	"access_token", "api_key", "apikey", "auth", "code", "id_token", "jwt", "key", "passwd", "password",
	"refresh_token", "secret", "session", "sig", "signature", "token", "x-amz-signature",
}

var redacted = []byte("REDACTED")

// appendRedacted copies a query parameter by parameter.
func appendRedacted(b, query []byte, escape func(b, s []byte) []byte) []byte {
	for first := true; len(query) > 0 || first; first = false {
		if !first {
			b = append(b, '&')
		}
		pair, rest, more := bytes.Cut(query, []byte{'&'})
		if name, _, has := bytes.Cut(pair, []byte{'='}); has && secretParameter(name) {
			b = append(append(escape(b, name), '='), redacted...)
		} else {
			b = escape(b, pair)
		}
		if query = rest; !more {
			break
		}
	}
	return b
}

func secretParameter(name []byte) bool {
	if bytes.IndexByte(name, '%') >= 0 || bytes.IndexByte(name, '+') >= 0 {
		return true // an escaped name may hide any of them
	}
	for _, s := range secretParameters {
		if equalFold(name, s) {
			return true
		}
	}
	return false
}

// appendMillis writes a duration in milliseconds with three digits behind the
// point.
func appendMillis(b []byte, d time.Duration) []byte {
	us := d.Microseconds()
	b = strconv.AppendInt(b, us/1000, 10)
	us %= 1000
	return append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10)) //nolint:gosec // single digits
}

// second is the text of one second of wall time, shared by all log lines in it.
type second struct {
	unix int64
	text [20]byte
}

var currentSecond atomic.Pointer[second] // a cache: wrong contents are impossible, old ones replaced

// appendRFC3339 writes a wall time in UTC with milliseconds.
func appendRFC3339(b []byte, wall time.Duration) []byte {
	unix := int64(wall / time.Second)
	s := currentSecond.Load()
	if s == nil || s.unix != unix {
		s = &second{unix: unix}
		copy(s.text[:], time.Unix(unix, 0).UTC().Format("2006-01-02T15:04:05."))
		currentSecond.Store(s)
	}
	b = append(b, s.text[:]...)
	ms := wall % time.Second / time.Millisecond
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z') //nolint:gosec // single digits
}
