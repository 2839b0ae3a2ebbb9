package proxy

import (
	"strconv"
	"time"

	"github.com/lictor/lictor/limits"
)

// LimitHeaders selects the fields that tell clients of a limit.
type LimitHeaders uint8

// The kinds of fields.
const (
	// StandardHeaders are RateLimit and RateLimit-Policy
	// (draft-ietf-httpapi-ratelimit-headers-11).
	StandardHeaders LimitHeaders = iota
	// LegacyHeaders are X-RateLimit-Limit, -Remaining and -Reset in delta
	// seconds.
	LegacyHeaders
	// NoHeaders tells clients nothing but Retry-After.
	NoHeaders
)

// LimitInfo is what the pipeline must know of a limit to tell clients and the
// log about it.
type LimitInfo struct {
	Name       string
	Policy     limits.Policy
	Headers    LimitHeaders
	Permissive bool   // decides and counts, never refuses, sends no fields
	KeyClass   string // what the key is made of, such as "client.ip+route.name"
	item       []byte // the limit's name as a structured-field string
	policyItem []byte // and with its parameters
}

// NewLimitInfo prepares the parts that are the same in every response.
func NewLimitInfo(name string, p limits.Policy, h LimitHeaders, permissive bool, keyClass string) *LimitInfo {
	l := &LimitInfo{Name: name, Policy: p, Headers: h, Permissive: permissive, KeyClass: keyClass}
	l.item = appendSFString(nil, name)
	l.policyItem = append(append(l.policyItem, l.item...), ";q="...)
	l.policyItem = appendSFInteger(l.policyItem, p.Quota)
	if p.Unit != "" {
		l.policyItem = appendSFString(append(l.policyItem, ";qu="...), p.Unit)
	}
	if w := p.Window; w >= time.Second && !p.Varies { // w counts whole seconds from 1 on
		l.policyItem = append(l.policyItem, ";w="...)
		l.policyItem = strconv.AppendInt(l.policyItem, ceilSeconds(w), 10)
	}
	return l
}

// Verdict is what one limit decided on one exchange.
type Verdict struct {
	Limit    *LimitInfo
	Decision limits.Decision
}

// appendSFInteger appends an Integer of RFC 9651 section 3.3.1, which has at
// most 15 digits. No counter that matters to a client is below zero.
func appendSFInteger(b []byte, n int64) []byte {
	const most = 999_999_999_999_999
	return strconv.AppendInt(b, min(max(0, n), most), 10)
}

// ceilSeconds rounds a duration up to whole seconds.
func ceilSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// appendSFString appends a String of RFC 9651 section 3.3.3. Bytes that such a
// string can't hold are replaced.
func appendSFString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c > 0x7e:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// Deny answers 429 for the verdicts gathered so far.
func (x *Exchange) Deny() { x.Answer(QuotaExceeded, "", nil) }

// violated reports whether a verdict is a refusal that counts.
func (v *Verdict) violated() bool { return !v.Decision.Allowed && !v.Limit.Permissive }

// shownT is the t parameter: with nothing left the time until something comes
// back, else the time that spends what is left evenly. For a limit that refused
// it is never later than Retry-After.
func (v *Verdict) shownT() int64 {
	d := &v.Decision
	t := d.ResetAfter
	switch {
	case d.Remaining <= 0:
		t = d.NextAfter
	case v.Limit.Policy.Interval > 0:
		t = time.Duration(d.Remaining) * v.Limit.Policy.Interval
	}
	if !d.Allowed && d.RetryAfter > 0 {
		t = min(t, d.RetryAfter)
	}
	return max(0, ceilSeconds(t))
}

// addLimitFields tells the client of the limits that were asked.
func (x *Exchange) addLimitFields() {
	f := &x.Response.Fields
	shown, legacy := 0, -1
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		if v.Limit.Permissive {
			continue
		}
		switch v.Limit.Headers {
		case StandardHeaders:
			shown++
		case LegacyHeaders: // there is one set of fields: the tightest limit's
			if legacy < 0 || v.tighter(&x.Verdicts[legacy]) {
				legacy = i
			}
		}
	}
	if retry, denied := x.retryAfter(); denied && retry != limits.Never {
		b := f.Open(RetryAfter)
		f.Close(strconv.AppendInt(b, max(1, ceilSeconds(retry)), 10))
	}
	if shown > 0 {
		x.addStandardFields(f)
	}
	if legacy >= 0 {
		x.Verdicts[legacy].addLegacyFields(f)
	}
}

// retryAfter is how long a client waits that limits have refused: for the slowest
// of them, limits.Never for one that can never grant the request. denied is false
// for who was not refused by limits.
func (x *Exchange) retryAfter() (retry time.Duration, denied bool) {
	if x.Problem != QuotaExceeded {
		return 0, false
	}
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		if v.Limit.Permissive || !v.violated() {
			continue
		}
		denied = true
		if v.Decision.RetryAfter == limits.Never || retry == limits.Never {
			retry = limits.Never
		} else {
			retry = max(retry, v.Decision.RetryAfter)
		}
	}
	return retry, denied
}

func (v *Verdict) tighter(o *Verdict) bool {
	if v.violated() != o.violated() {
		return v.violated()
	}
	return v.Decision.Remaining < o.Decision.Remaining
}

func (x *Exchange) addStandardFields(f *Fields) {
	b := f.Open(RateLimitPolicy)
	n := 0
	for i := range x.Verdicts {
		if l := x.Verdicts[i].Limit; !l.Permissive && l.Headers == StandardHeaders {
			if n++; n > 1 {
				b = append(b, ", "...)
			}
			b = append(b, l.policyItem...)
		}
	}
	f.Close(b)
	b, n = f.Open(RateLimit), 0
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		if v.Limit.Permissive || v.Limit.Headers != StandardHeaders {
			continue
		}
		if n++; n > 1 {
			b = append(b, ", "...)
		}
		b = append(append(b, v.Limit.item...), ";r="...)
		b = appendSFInteger(b, v.Decision.Remaining)
		if v.Limit.Policy.Window == 0 { // time brings nothing back
			continue
		}
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, v.shownT(), 10)
	}
	f.Close(b)
}

func (v *Verdict) addLegacyFields(f *Fields) {
	for _, id := range []ID{XRateLimitLimit, XRateLimitRemaining, XRateLimitReset} {
		f.Del(id)
	}
	f.Close(strconv.AppendInt(f.Open(XRateLimitLimit), v.Limit.Policy.Quota, 10))
	f.Close(strconv.AppendInt(f.Open(XRateLimitRemaining), max(0, v.Decision.Remaining), 10))
	f.Close(strconv.AppendInt(f.Open(XRateLimitReset), v.shownT(), 10))
}

// appendViolated lists the limits that refused, for the problem document.
func (x *Exchange) appendViolated(b []byte) []byte {
	b = append(b, `,"violated-policies":[`...)
	n := 0
	for i := range x.Verdicts {
		if v := &x.Verdicts[i]; v.violated() {
			if n++; n > 1 {
				b = append(b, ',')
			}
			b = appendJSONString(b, v.Limit.Name)
		}
	}
	return append(b, ']')
}

// refusedBy returns the limit for the access log: the first that refused, else
// the tightest that was asked.
func (x *Exchange) refusedBy() *LimitInfo {
	best := -1
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		if !v.Decision.Allowed && !v.Limit.Permissive {
			return v.Limit
		}
		if best < 0 || v.tighter(&x.Verdicts[best]) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return x.Verdicts[best].Limit
}
