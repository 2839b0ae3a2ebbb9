package config

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/attr"
	"github.com/lictor/lictor/proxy/logfield"
)

// Values of AccessLog.Format.
const (
	FormatJSON     = "json"
	FormatCommon   = "common"
	FormatCombined = "combined"
	FormatOff      = "off"
)

// Values of AccessLog.Query.
const (
	QueryRedact = "redact"
	QueryKeep   = "keep"
	QueryDrop   = "drop"
)

// Defaults and bounds of samples of access logs.
const (
	defaultKeepStatus = 400
	mostOneIn         = 1_000_000_000
)

// AccessLog is where the line of each request goes.
type AccessLog struct {
	// Path is a file, or "-" for the standard output; empty where there is a Syslog.
	Path string
	// Format is one of the Format constants.
	Format string
	// Query is one of the Query constants.
	Query string
	// RedactQuery are names of query parameters, in lower case, whose values no log
	// shows.
	RedactQuery []string
	// Fields are those that lines have besides the usual ones.
	Fields []logfield.Spec
	// Sample is nil when every request has a line.
	Sample *LogSample
	// Rotate is nil when the file is nobody's but others' to put away.
	Rotate *LogRotation
	// Syslog is nil when lines go to Path.
	Syslog *Syslog
}

// LogRotation is when a log's file is put away.
type LogRotation struct {
	// Size in bytes and Every are bounds of a file; 0 for none.
	Size  int64
	Every time.Duration
	// Keep is how many are kept; 0 means all.
	Keep int
}

// Syslog is a server of RFC 5424.
type Syslog struct {
	// Network is "unixgram", "udp" or "tcp", Address a path or host:port.
	Network, Address string
	// Facility is a name of Facilities.
	Facility string
	// Tag is the name of the application.
	Tag string
}

// Facilities are the names of syslog's facilities, by their number.
var Facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// LogSample is which requests have a line.
type LogSample struct {
	// OneIn is of how many requests one has a line; 0 means none.
	OneIn int
	// KeepStatus is the status from which on all have one.
	KeepStatus int
	// KeepSlower is how long a request takes that has one anyway; 0 for no bound.
	KeepSlower time.Duration
	// Routes has OneIn for some routes, by name; "-" for requests without one.
	Routes map[string]int
}

type accessLogBlock struct {
	Path        *hcl.Attribute `hcl:"path,optional"`
	Format      *hcl.Attribute `hcl:"format,optional"`
	Query       *hcl.Attribute `hcl:"query,optional"`
	RedactQuery *hcl.Attribute `hcl:"redact_query,optional"`
	Fields      *hcl.Attribute `hcl:"fields,optional"`

	Sample *logSampleBlock   `hcl:"sample,block"`
	Rotate *logRotationBlock `hcl:"rotate,block"`
	Syslog *syslogBlock      `hcl:"syslog,block"`
}

type logRotationBlock struct {
	Size  *hcl.Attribute `hcl:"size,optional"`
	Every *hcl.Attribute `hcl:"every,optional"`
	Keep  *hcl.Attribute `hcl:"keep,optional"`

	Range hcl.Range `hcl:",def_range"`
}

type syslogBlock struct {
	Address  *hcl.Attribute `hcl:"address,optional"`
	Facility *hcl.Attribute `hcl:"facility,optional"`
	Tag      *hcl.Attribute `hcl:"tag,optional"`

	Range hcl.Range `hcl:",def_range"`
}

type logSampleBlock struct {
	OneIn      *hcl.Attribute `hcl:"one_in,optional"`
	KeepStatus *hcl.Attribute `hcl:"keep_status,optional"`
	KeepSlower *hcl.Attribute `hcl:"keep_slower,optional"`
	Routes     *hcl.Attribute `hcl:"routes,optional"`
}

// accessLogs reads the blocks; without any there is one log, as by default.
func (r *reader) accessLogs(blocks []*hcl.Block) []AccessLog {
	if len(blocks) == 0 {
		return []AccessLog{{Path: "-", Format: FormatJSON, Query: QueryRedact}}
	}
	var out []AccessLog
	taken := map[string]hcl.Range{}
	for _, b := range blocks {
		l := r.accessLog(b)
		if l.Format != FormatOff && (l.Syslog == nil || l.Syslog.Address != "") {
			if first, dup := taken[l.Where()]; dup {
				r.Errorf(b.DefRange, "Duplicate access log", "Lines go to %q already by the access_log at %s.", l.Where(), first)
			}
			taken[l.Where()] = b.DefRange
		}
		out = append(out, l)
	}
	return out
}

func (r *reader) accessLog(b *hcl.Block) AccessLog {
	l := AccessLog{Path: "-", Format: FormatJSON}
	var in accessLogBlock
	r.decode(b, &in)
	if in.Syslog != nil {
		l.Path = ""
	} else if r.Text(in.Path, "-") != "-" {
		l.Path = r.path(in.Path, "-")
	}
	l.Format = r.Enum(in.Format, FormatJSON, FormatJSON, FormatCommon, FormatCombined, FormatOff)
	l.Query = r.Enum(in.Query, QueryRedact, QueryRedact, QueryKeep, QueryDrop)
	for _, name := range attr.Values(r.Unique(in.RedactQuery)) {
		l.RedactQuery = append(l.RedactQuery, strings.ToLower(name))
	}
	var diags hcl.Diagnostics
	l.Fields, diags = logfield.Decode(in.Fields)
	r.Diags = append(r.Diags, diags...)
	if in.Fields != nil && len(l.Fields) > 0 && (l.Format == FormatCommon || l.Format == FormatCombined) {
		r.Errorf(in.Fields.NameRange, "Conflicting arguments", "Lines in the format %q have no room for fields; %q has.", l.Format, FormatJSON)
	}
	l.Sample = r.logSample(in.Sample)
	l.Syslog = r.syslog(in.Syslog, in.Path)
	l.Rotate = r.logRotation(in.Rotate, &l)
	return l
}

// Where is the place that lines go to, for people.
func (l *AccessLog) Where() string {
	if l.Syslog != nil {
		return l.Syslog.Network + "://" + l.Syslog.Address
	}
	return l.Path
}

func (r *reader) logSample(in *logSampleBlock) *LogSample {
	if in == nil {
		return nil
	}
	s := &LogSample{
		OneIn:      r.integer(in.OneIn, 1, 0, mostOneIn),
		KeepStatus: r.integer(in.KeepStatus, defaultKeepStatus, 0, 600),
		KeepSlower: r.Duration(in.KeepSlower, 0, 0, 0),
	}
	for _, m := range r.Object(in.Routes) {
		if m.Key != "-" && !nameable(m.Key) {
			r.Errorf(m.At, "Invalid routes", "%q is not the name of a route, nor %q for requests that no route takes.", m.Key, "-")
			continue
		}
		if s.Routes == nil {
			s.Routes = map[string]int{}
		}
		s.Routes[m.Key] = r.integer(&hcl.Attribute{Name: "routes", Expr: m.Value, Range: m.Value.Range(), NameRange: m.At}, 1, 0, mostOneIn)
	}
	return s
}

func (l *AccessLog) redacted() object {
	fields := object{}
	for _, f := range l.Fields {
		fields[f.Name] = f.String()
	}
	out := object{
		"path": l.Path, "format": l.Format, "query": l.Query, "redact_query": listOf(l.RedactQuery), "fields": fields,
	}
	if s := l.Sample; s != nil {
		routes := object{}
		for name, n := range s.Routes {
			routes[name] = n
		}
		out["sample"] = object{"one_in": s.OneIn, "keep_status": s.KeepStatus, "keep_slower": s.KeepSlower.String(), "routes": routes}
	}
	l.placeRedacted(out)
	return out
}

func accessLogsRedacted(all []AccessLog) []object {
	out := []object{}
	for i := range all {
		out = append(out, all[i].redacted())
	}
	return out
}

// RedactedParameters are the query parameters that access logs name, in lower case.
func (c *Config) RedactedParameters() []string {
	var out []string
	for _, l := range c.AccessLogs {
		out = append(out, l.RedactQuery...)
	}
	return out
}
