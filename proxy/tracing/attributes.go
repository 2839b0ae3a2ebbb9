package tracing

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/lictor/lictor/proxy"
)

// longest bounds a value, in bytes.
const longest = 2048

// Attributes of ours, beside those of the semantic conventions.
const (
	requestIDKey = attribute.Key("lictor.request_id")
	routeKey     = attribute.Key("lictor.route")
	serviceKey   = attribute.Key("lictor.service")
	instanceKey  = attribute.Key("lictor.instance")
	retriesKey   = attribute.Key("lictor.retries")
	problemKey   = attribute.Key("lictor.problem")
)

// verdicts are the attributes that list the limits that were asked, by what they
// said.
var verdicts = [...]attribute.Key{
	allowed: "lictor.limit.allowed", delayed: "lictor.limit.delayed",
	denied: "lictor.limit.denied", wouldDeny: "lictor.limit.would_deny",
}

const (
	allowed = iota
	delayed
	denied
	wouldDeny
)

// text makes a value of what a client has sent. OTLP's strings are UTF-8.
func text(b []byte) string { return clip(string(b[:min(len(b), longest)])) }

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), longest)], "\ufffd") }

// methodOf is a word of few, as names of spans are made of.
func methodOf(x *proxy.Exchange) string {
	if x.Request.Verb == proxy.MethodOther {
		return "HTTP"
	}
	return x.Request.Verb.String()
}

func nameOf(x *proxy.Exchange) string {
	if x.Route == nil {
		return methodOf(x)
	}
	return methodOf(x) + " " + pathOf(x.Route)
}

// pathOf is the route's condition on the path, as its policy has it.
func pathOf(r *proxy.Route) string {
	for _, p := range []string{r.Rule.Path, r.Rule.PathPattern, r.Rule.PathRegex, r.Rule.PathPrefix} {
		if p != "" {
			return p
		}
	}
	return "/"
}

func methodAttributes(list []attribute.KeyValue, x *proxy.Exchange) []attribute.KeyValue {
	if x.Request.Verb != proxy.MethodOther {
		return append(list, semconv.HTTPRequestMethodKey.String(x.Request.Verb.String()))
	}
	return append(list, semconv.HTTPRequestMethodOther, semconv.HTTPRequestMethodOriginal(text(x.Request.Method)))
}

func serverAttributes(x *proxy.Exchange) []attribute.KeyValue {
	q := &x.Request
	list := make([]attribute.KeyValue, 0, 32)
	list = methodAttributes(list, x)
	scheme := x.Scheme()
	list = append(list, semconv.URLScheme(scheme), semconv.URLPath(text(x.Received())))
	if q.HasQuery {
		list = append(list, semconv.URLQuery(text(x.AppendLoggedQuery(nil))))
	}
	if host, ok := proxy.AppendHostName(nil, q.Host); ok {
		list = append(list, semconv.ServerAddress(strings.Trim(text(host), "[]")), semconv.ServerPort(portOf(q.Host, scheme)))
	}
	if x.Client.IsValid() {
		list = append(list, semconv.ClientAddress(x.Client.String()))
	}
	if p := x.Conn.Peer; p.IsValid() {
		list = append(list, semconv.NetworkPeerAddress(p.Addr().String()), semconv.NetworkPeerPort(int(p.Port())))
	}
	list = append(list, semconv.NetworkProtocolName("http"), semconv.NetworkProtocolVersion(versionOf(q.Protocol)))
	if v := q.Fields.Get(proxy.UserAgent); len(v) > 0 {
		list = append(list, semconv.UserAgentOriginal(text(v)))
	}
	list = append(list, semconv.HTTPResponseStatusCode(x.Response.Status),
		semconv.HTTPRequestBodySize(int(x.BytesIn)), semconv.HTTPResponseBodySize(int(x.BytesOut)),
		requestIDKey.String(text(x.RequestID())))
	if x.Route != nil {
		list = append(list, semconv.HTTPRoute(pathOf(x.Route)), routeKey.String(x.Route.Name()), retriesKey.Int(x.Retries))
		if service := x.Service(); service != "" {
			list = append(list, serviceKey.String(service))
		}
	}
	if x.Endpoint != nil {
		list = append(list, instanceKey.String(clip(x.Endpoint.Key())))
	}
	if x.Problem != nil {
		list = append(list, problemKey.String(x.Problem.URI()))
	}
	if kind := errorType(x); kind != "" {
		list = append(list, semconv.ErrorTypeKey.String(kind))
	}
	return limitAttributes(list, x)
}

// limitAttributes name the limits that were asked.
func limitAttributes(list []attribute.KeyValue, x *proxy.Exchange) []attribute.KeyValue {
	var names [len(verdicts)][]string
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		what := allowed
		switch {
		case !v.Decision.Allowed && v.Limit.Permissive:
			what = wouldDeny
		case !v.Decision.Allowed:
			what = denied
		case v.Decision.Delay > 0:
			what = delayed
		}
		names[what] = append(names[what], v.Limit.Name)
	}
	for i, n := range names {
		if len(n) > 0 {
			list = append(list, verdicts[i].StringSlice(n))
		}
	}
	return list
}

func clientAttributes(x *proxy.Exchange, i int) []attribute.KeyValue {
	t := x.Trace()
	a := &t.Attempts[i]
	list := make([]attribute.KeyValue, 0, 12)
	list = methodAttributes(list, x)
	scheme := "http://"
	if x.Route.TLSTo(a.Endpoint) != nil {
		scheme = "https://"
	}
	target := a.Endpoint.Target()
	url := append([]byte(scheme+target), x.Request.Path...)
	if x.Request.HasQuery {
		url = x.AppendRedacted(append(url, '?'), x.Request.Query)
	}
	list = append(list, semconv.URLFull(text(url)), serviceKey.String(a.Endpoint.Service()), instanceKey.String(clip(a.Endpoint.Key())))
	if host, port, err := net.SplitHostPort(target); err == nil {
		list = append(list, semconv.ServerAddress(host))
		if n, err := strconv.Atoi(port); err == nil {
			list = append(list, semconv.ServerPort(n))
		}
	} else {
		list = append(list, semconv.ServerAddress(clip(target)))
	}
	if i > 0 {
		list = append(list, semconv.HTTPRequestResendCount(i))
	}
	if a.Protocol != 0 {
		list = append(list, semconv.NetworkProtocolVersion(versionOf(a.Protocol)))
	}
	if a.Status != 0 {
		list = append(list, semconv.HTTPResponseStatusCode(a.Status))
	}
	switch {
	case a.Err != nil:
		list = append(list, semconv.ErrorTypeKey.String(a.Err.Cause.String()))
	case a.Status >= 400:
		list = append(list, semconv.ErrorTypeKey.String(strconv.Itoa(a.Status)))
	}
	return list
}

// errorType is empty for an exchange that went as it should, as far as the gateway
// and the instances are concerned: what a client did wrong is not our error.
func errorType(x *proxy.Exchange) string {
	switch {
	case x.Problem != nil && x.Response.Status >= 500:
		return x.Problem.Name
	case x.Response.Status >= 500:
		return strconv.Itoa(x.Response.Status)
	case x.Problem != nil:
		return ""
	}
	if fe, ok := errors.AsType[*proxy.ForwardError](x.Err); ok {
		switch fe.Cause {
		case proxy.Refused, proxy.Broke, proxy.TimedOut:
			if x.ErrorText() != "" { // and not a retry that ended well
				return fe.Cause.String()
			}
		}
	}
	return ""
}

func serverError(x *proxy.Exchange) (why string, failed bool) {
	return clip(x.ErrorText()), errorType(x) != ""
}

// portOf is the port that the client has named, else the usual one.
func portOf(host []byte, scheme string) int {
	if i := bytes.LastIndexByte(host, ':'); i >= 0 {
		if n, err := strconv.ParseUint(string(host[i+1:]), 10, 16); err == nil && host[len(host)-1] != ']' {
			return int(n)
		}
	}
	if scheme == "https" {
		return 443
	}
	return 80
}

func versionOf(p proxy.Protocol) string {
	switch p {
	case proxy.HTTP10:
		return "1.0"
	case proxy.HTTP2:
		return "2"
	case proxy.HTTP3:
		return "3"
	default:
		return "1.1"
	}
}
