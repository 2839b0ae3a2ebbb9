package config

import (
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Defaults and bounds of tracing.
const (
	defaultSampleRatio  = 0.01
	defaultTraceTimeout = 10 * time.Second
	mostTraceTimeout    = time.Minute
	defaultTraceQueue   = 4096
	mostTraceQueue      = 1 << 20
	// tracesPath is where collectors take traces (OTLP/HTTP request).
	tracesPath = "/v1/traces"
)

// Values of Tracing.Compression.
const (
	CompressionGzip = "gzip"
	CompressionNone = "none"
)

// Tracing is which requests are traced, and where spans go.
type Tracing struct {
	// Endpoint is the whole URL of a collector; empty means that nothing is traced.
	Endpoint string
	// SampleRatio is the part of all traces that is sampled, from 0 to 1.
	SampleRatio float64
	// ParentBased says that the decision of a trusted peer is followed.
	ParentBased bool
	ServiceName string
	// Resource are further attributes of this gateway.
	Resource map[string]string
	// TokenFile holds a bearer token, HeadersFile lines of "Name: value"; empty for
	// none.
	TokenFile   string
	HeadersFile string
	// CAFile holds who vouches for the collector; empty means the system's.
	CAFile string
	// Insecure says that secrets may go to another machine in clear.
	Insecure bool
	// Timeout bounds one export.
	Timeout time.Duration
	// Queue bounds the spans that wait for the collector.
	Queue int
	// Compression is CompressionGzip or CompressionNone.
	Compression string
}

type tracingBlock struct {
	OTLPEndpoint *hcl.Attribute `hcl:"otlp_endpoint,optional"`
	SampleRatio  *hcl.Attribute `hcl:"sample_ratio,optional"`
	ParentBased  *hcl.Attribute `hcl:"parent_based,optional"`
	ServiceName  *hcl.Attribute `hcl:"service_name,optional"`
	Resource     *hcl.Attribute `hcl:"resource,optional"`
	TokenFile    *hcl.Attribute `hcl:"token_file,optional"`
	HeadersFile  *hcl.Attribute `hcl:"headers_file,optional"`
	CAFile       *hcl.Attribute `hcl:"ca_file,optional"`
	Insecure     *hcl.Attribute `hcl:"insecure,optional"`
	Timeout      *hcl.Attribute `hcl:"timeout,optional"`
	Queue        *hcl.Attribute `hcl:"queue,optional"`
	Compression  *hcl.Attribute `hcl:"compression,optional"`
}

func (r *reader) tracing(b *hcl.Block) Tracing {
	t := Tracing{
		SampleRatio: defaultSampleRatio, ParentBased: true, ServiceName: defaultServiceName,
		Timeout: defaultTraceTimeout, Queue: defaultTraceQueue, Compression: CompressionGzip,
	}
	if b == nil {
		return t
	}
	var in tracingBlock
	r.decode(b, &in)
	t.Endpoint = r.collector(in.OTLPEndpoint)
	t.SampleRatio = r.Number(in.SampleRatio, defaultSampleRatio, 0, 1)
	t.ParentBased = r.Bool(in.ParentBased, true)
	t.ServiceName = r.Text(in.ServiceName, defaultServiceName)
	r.NotEmpty(in.ServiceName, t.ServiceName)
	t.Resource = r.resource(in.Resource)
	t.TokenFile = r.path(in.TokenFile, "")
	t.HeadersFile = r.path(in.HeadersFile, "")
	t.CAFile = r.path(in.CAFile, "")
	t.Insecure = r.Bool(in.Insecure, false)
	t.Timeout = r.Duration(in.Timeout, defaultTraceTimeout, 100*time.Millisecond, mostTraceTimeout)
	t.Queue = r.integer(in.Queue, defaultTraceQueue, mostSpansOfOne, mostTraceQueue)
	t.Compression = r.Enum(in.Compression, CompressionGzip, CompressionGzip, CompressionNone)
	r.tracingSecrets(&in, &t)
	return t
}

// mostSpansOfOne is how many spans one request has at most: its own, and one for each
// attempt.
const mostSpansOfOne = 17

// collector reads the URL of a collector. One without a path is the standard's.
func (r *reader) collector(a *hcl.Attribute) string {
	s := r.Text(a, "")
	if s == "" {
		return ""
	}
	fault := func(format string, args ...any) string {
		r.Errorf(a.Expr.Range(), "Invalid "+a.Name, format, args...)
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case !strings.Contains(s, "://"):
		return fault("%q is not a URL, such as %q.", s, "http://127.0.0.1:4318")
	case err != nil:
		return fault("The URL can't be read.")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fault("The URL of a collector has neither user, query nor fragment; a secret belongs into the file that token_file or headers_file names.")
	case u.Scheme == "grpc", u.Port() == "4317":
		return fault("%q speaks OTLP over gRPC by its looks. Traces are sent by OTLP over HTTP, for which collectors listen on port 4318.", s)
	case u.Scheme != "http" && u.Scheme != "https":
		return fault("The scheme %q is neither http nor https.", u.Scheme)
	case u.Hostname() == "":
		return fault("%q has no host.", s)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = tracesPath
	}
	return u.String()
}

// owned are the attributes of a resource that have settings of their own.
var owned = map[string]string{
	"service.name":        "service_name is the setting for it",
	"service.instance.id": "node_name is the setting for it",
	"service.version":     "the gateway knows it",
}

func (r *reader) resource(a *hcl.Attribute) map[string]string {
	var out map[string]string
	for _, p := range r.Pairs(a) {
		switch why, taken := owned[p.Key]; {
		case taken:
			r.Errorf(p.KeyAt, "Invalid resource", "The attribute %q can't be set here: %s.", p.Key, why)
		case strings.ContainsFunc(p.Key, func(c rune) bool { return c <= ' ' || c > '~' }):
			r.Errorf(p.KeyAt, "Invalid resource", "%q is not the name of an attribute, such as %q.", p.Key, "deployment.environment.name")
		default:
			if out == nil {
				out = map[string]string{}
			}
			out[p.Key] = p.Value
		}
	}
	return out
}

// tracingSecrets refuses secrets that would go over a network in clear.
func (r *reader) tracingSecrets(in *tracingBlock, t *Tracing) {
	plain := strings.HasPrefix(t.Endpoint, "http://")
	if t.CAFile != "" && plain {
		r.Errorf(in.CAFile.Expr.Range(), "Conflicting arguments", "There is no TLS to check with http://; use https:// in otlp_endpoint, or leave ca_file out.")
	}
	if !plain || t.Insecure {
		return
	}
	u, err := url.Parse(t.Endpoint)
	if err != nil || loopback(hostPort(u)) {
		return
	}
	for _, a := range []*hcl.Attribute{in.TokenFile, in.HeadersFile} {
		if r.Text(a, "") != "" {
			r.Errorf(a.Expr.Range(), "Secret over http", "What %s holds would go to %q in clear. Use https://, or allow it with insecure = true.", a.Name, u.Host)
		}
	}
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return u.Host + ":80"
}

func (t *Tracing) redacted() object {
	resource := t.Resource
	if resource == nil {
		resource = map[string]string{}
	}
	return object{
		"otlp_endpoint": t.Endpoint, "sample_ratio": t.SampleRatio, "parent_based": t.ParentBased, "service_name": t.ServiceName,
		"resource": redactedValues(resource), "token_file": t.TokenFile, "headers_file": t.HeadersFile, "ca_file": t.CAFile,
		"insecure": t.Insecure, "timeout": t.Timeout.String(), "queue": t.Queue, "compression": t.Compression,
	}
}

// withoutSampling leaves out what a reload changes.
func (t Tracing) withoutSampling() Tracing {
	t.SampleRatio, t.ParentBased = 0, false
	return t
}
