package config

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/attr"
)

// Defaults and bounds of where access logs go.
const (
	defaultKeepFiles = 7
	mostKeepFiles    = 10_000
	leastRotateSize  = 64 << 10
	leastRotateTime  = time.Minute
	defaultFacility  = "local0"
	defaultTag       = "lictor"
	longestTag       = 48 // RFC 5424 section 6
)

func (r *reader) logRotation(in *logRotationBlock, l *AccessLog) *LogRotation {
	if in == nil {
		return nil
	}
	out := &LogRotation{
		Size:  r.Size(in.Size, 0, leastRotateSize, 0),
		Every: r.Duration(in.Every, 0, leastRotateTime, 0),
		Keep:  r.integer(in.Keep, defaultKeepFiles, 0, mostKeepFiles),
	}
	switch {
	case in.Size == nil && in.Every == nil:
		r.Errorf(in.Range, "Missing required argument", `At least one of the arguments "size" and "every" is required.`)
	case l.Syslog != nil || l.Path == "-":
		r.Errorf(in.Range, "Conflicting blocks", "Only a file can be put away; there is none in path.")
	}
	return out
}

// networks are those of a syslog server, by the schemes of its address.
var networks = map[string]string{"unix": "unixgram", "udp": "udp", "tcp": "tcp"}

func (r *reader) syslog(in *syslogBlock, path *hcl.Attribute) *Syslog {
	if in == nil {
		return nil
	}
	if path != nil {
		r.Errorf(path.NameRange, "Conflicting arguments", "Lines go to a path or to syslog; a second access_log block is for the other.")
	}
	out := &Syslog{
		Facility: r.Enum(in.Facility, defaultFacility, Facilities...),
		Tag:      r.Text(in.Tag, defaultTag),
	}
	r.NotEmpty(in.Tag, out.Tag)
	if len(out.Tag) > longestTag || strings.ContainsFunc(out.Tag, func(c rune) bool { return c <= ' ' || c > '~' }) {
		r.Errorf(in.Tag.Expr.Range(), "Invalid tag", "A tag is at most %d visible characters of ASCII.", longestTag)
	}
	s := r.Required(in.Address, "address", in.Range)
	if s == "" {
		return out
	}
	fault := func(format string, args ...any) {
		r.Errorf(in.Address.Expr.Range(), "Invalid address", format, args...)
	}
	scheme, rest, found := strings.Cut(s, "://")
	network, known := networks[scheme]
	switch {
	case !found || !known:
		fault(`%q is not the address of a syslog server, such as "unix:///dev/log", "udp://127.0.0.1:514" or "tcp://127.0.0.1:601".`, s)
		return out
	case network == "unixgram" && !strings.HasPrefix(rest, "/"):
		fault("%q does not name a socket by its absolute path.", s)
	case network != "unixgram":
		if err := checkAddress(rest); err != nil {
			fault("%s", attr.Sentence(err))
		} else if strings.HasPrefix(rest, ":") {
			fault("%q has no host.", s)
		}
	}
	out.Network, out.Address = network, rest
	return out
}

func (l *AccessLog) placeRedacted(out object) {
	if s := l.Syslog; s != nil {
		out["syslog"] = object{"network": s.Network, "address": s.Address, "facility": s.Facility, "tag": s.Tag}
	}
	if s := l.Rotate; s != nil {
		out["rotate"] = object{"size": s.Size, "every": s.Every.String(), "keep": s.Keep}
	}
}
