package proxy

import (
	"strconv"

	"github.com/lictor/lictor/limits"
)

// appendPassage writes the line of a passage. What it has in common with a request's
// has the same name there.
func (l *Log) appendPassage(e *logLine, now limits.Time) {
	x := e.x
	b := append(e.b, `{"time":"`...)
	b = l.appendTime(b, x.Start.Wall)
	b = append(b, `","request_id":`...)
	b = appendJSONString(b, x.requestID)
	b = append(b, `,"client":"`...)
	b = x.Client.AppendTo(b)
	b = append(b, `","protocol":"`...)
	b = append(b, x.Request.Protocol.String()...)
	b = append(b, `","listener":`...)
	b = appendJSONString(b, x.Conn.Listener.Name)
	b = append(b, `,"sni":`...)
	b = appendJSONString(b, e.clip(x.Request.Host))
	b = append(b, `,"bytes_in":`...)
	b = strconv.AppendInt(b, x.BytesIn, 10)
	b = append(b, `,"bytes_out":`...)
	b = strconv.AppendInt(b, x.BytesOut, 10)
	b = append(b, `,"duration_ms":`...)
	b = appendMillis(b, now.Mono-x.Start.Mono)
	b = append(b, `,"upstream_ms":`...)
	b = appendMillis(b, max(0, x.UpstreamEnd-x.UpstreamStart))
	route, service, instance := "-", "", ""
	if x.Route != nil {
		route, service = x.Route.Name(), x.Route.Service
	}
	if x.Endpoint != nil {
		instance = x.Endpoint.Key()
	}
	b = append(b, `,"route":`...)
	b = appendJSONString(b, route)
	b = append(b, `,"service":`...)
	b = appendJSONString(b, service)
	b = append(b, `,"instance":`...)
	b = appendJSONString(b, instance)
	b = append(b, `,"retries":`...)
	b = strconv.AppendInt(b, int64(x.Retries), 10)
	name, class := "", ""
	if v := x.refusedBy(); v != nil {
		name, class = v.Name, v.KeyClass
	}
	b = append(b, `,"limit":`...)
	b = appendJSONString(b, name)
	b = append(b, `,"limit_key_class":`...)
	b = appendJSONString(b, class)
	b = append(b, `,"tls":`...)
	b = strconv.AppendBool(b, x.Conn.TLS)
	b = append(b, `,"error":`...)
	b = appendJSONString(b, e.clip(stringBytes(x.errorText())))
	for i := range l.Fields {
		if f := &l.Fields[i]; f.Name != "sni" && f.Name != "listener" { // which there are
			b = f.append(b, e)
		}
	}
	e.b = append(b, '}', '\n')
}
