package config

import "github.com/hashicorp/hcl/v2"

// Defaults and bounds of a listener's HTTP/2. Fewer streams than RFC 9113 section
// 6.5.2 asks for would slow honest clients down.
const (
	defaultConcurrentStreams = 128
	leastConcurrentStreams   = 1
	mostConcurrentStreams    = 10_000
	defaultWastedFrames      = 1_000
	mostWastedFrames         = 1 << 30
)

type http2Block struct {
	MaxConcurrentStreams *hcl.Attribute `hcl:"max_concurrent_streams,optional"`
	MaxWastedFrames      *hcl.Attribute `hcl:"max_wasted_frames,optional"`

	Range hcl.Range `hcl:",def_range"`
}

// listenerHTTP2 reads the bounds of HTTP/2; in is nil without a block.
func (r *reader) listenerHTTP2(in *http2Block, l *HTTP2) {
	if in == nil {
		return
	}
	l.MaxConcurrentStreams = r.integer(in.MaxConcurrentStreams, defaultConcurrentStreams, leastConcurrentStreams, mostConcurrentStreams)
	l.MaxWastedFrames = r.integer(in.MaxWastedFrames, defaultWastedFrames, 0, mostWastedFrames)
}
