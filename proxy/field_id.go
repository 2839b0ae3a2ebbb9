package proxy

import "strings"

// ID names a field that the gateway itself looks at or writes. Other stands for
// every other field.
type ID uint8

// The known fields. The comment of names lists their spelling.
const (
	Other ID = iota
	Host
	Connection
	KeepAlive
	ProxyConnection
	TE
	TrailerField
	TransferEncoding
	UpgradeField
	HTTP2Settings
	ProxyAuthenticate
	ProxyAuthorization
	ProxyAuthenticationInfo
	ContentLength
	ContentType
	Expect
	Date
	Server
	Allow
	RetryAfter
	Location
	ViaField
	ForwardedField
	XForwardedFor
	XForwardedProto
	XForwardedHost
	XForwardedPort
	XForwardedPrefix
	XForwardedServer
	XRealIP
	XOriginalURL
	XRewriteURL
	ProxyField
	XRequestID
	Traceparent
	Tracestate
	ProxyStatus
	RateLimit
	RateLimitPolicy
	XRateLimitLimit
	XRateLimitRemaining
	XRateLimitReset
	WWWAuthenticate
	Authorization
	Cookie
	UserAgent
	Referer
	Origin
	Accept
	StrictTransportSecurity
	AltSvc
	AcceptEncoding
	ContentEncoding
	CacheControl
	Vary
	ETag
	AcceptRanges
	ClientCertField
	ClientCertChain
	knownIDs
)

// names holds the spelling in which the gateway writes each known field.
var names = [knownIDs]string{
	Host: "Host", Connection: "Connection", KeepAlive: "Keep-Alive", ProxyConnection: "Proxy-Connection",
	TE: "TE", TrailerField: "Trailer", TransferEncoding: "Transfer-Encoding", UpgradeField: "Upgrade",
	HTTP2Settings: "HTTP2-Settings", ProxyAuthenticate: "Proxy-Authenticate", ProxyAuthorization: "Proxy-Authorization",
	ProxyAuthenticationInfo: "Proxy-Authentication-Info", ContentLength: "Content-Length", ContentType: "Content-Type",
	Expect: "Expect", Date: "Date", Server: "Server", Allow: "Allow", RetryAfter: "Retry-After", Location: "Location",
	ViaField: "Via", ForwardedField: "Forwarded", XForwardedFor: "X-Forwarded-For", XForwardedProto: "X-Forwarded-Proto",
	XForwardedHost: "X-Forwarded-Host", XForwardedPort: "X-Forwarded-Port", XForwardedPrefix: "X-Forwarded-Prefix",
	XForwardedServer: "X-Forwarded-Server", XRealIP: "X-Real-Ip", XOriginalURL: "X-Original-Url", XRewriteURL: "X-Rewrite-Url",
	ProxyField: "Proxy", XRequestID: "X-Request-Id", Traceparent: "Traceparent", Tracestate: "Tracestate",
	ProxyStatus: "Proxy-Status", RateLimit: "RateLimit", RateLimitPolicy: "RateLimit-Policy",
	XRateLimitLimit: "X-RateLimit-Limit", XRateLimitRemaining: "X-RateLimit-Remaining", XRateLimitReset: "X-RateLimit-Reset",
	WWWAuthenticate: "WWW-Authenticate", Authorization: "Authorization", Cookie: "Cookie", UserAgent: "User-Agent",
	Referer: "Referer", Origin: "Origin", Accept: "Accept",
	StrictTransportSecurity: "Strict-Transport-Security",
	AltSvc:                  "Alt-Svc",
	AcceptEncoding:          "Accept-Encoding", ContentEncoding: "Content-Encoding", CacheControl: "Cache-Control", Vary: "Vary",
	ETag: "ETag", AcceptRanges: "Accept-Ranges",
	ClientCertField: "Client-Cert", ClientCertChain: "Client-Cert-Chain",
}

// String returns the field's name as the gateway writes it, empty for Other.
func (id ID) String() string { return names[id] }

// hopByHop marks the fields that belong to one connection (RFC 9110 section
// 7.6.1) or that only an engine may write, because they frame the message (RFC
// 9112 section 6) or say whom it is for: Request.Host is the word on that. They
// are readable and never forwarded as received.
var hopByHop = func() (h [knownIDs]bool) {
	for _, id := range []ID{
		Host, Connection, KeepAlive, ProxyConnection, TE, TrailerField, TransferEncoding, UpgradeField, HTTP2Settings,
		ProxyAuthenticate, ProxyAuthorization, ProxyAuthenticationInfo, ContentLength, Expect,
	} {
		h[id] = true
	}
	return h
}()

// unnominable marks the fields that a Connection field can't remove: without
// them the next hop would see another message or another user, and the gateway
// would not see what a trusted proxy says of the client.
var unnominable = func() (u [knownIDs]bool) {
	for _, id := range []ID{
		Host, ContentType, ContentEncoding, Authorization, Cookie, ViaField, ForwardedField, XForwardedFor, XForwardedProto, XForwardedHost,
		XForwardedPort, XForwardedPrefix, XRequestID, Traceparent, Tracestate, ClientCertField, ClientCertChain,
	} {
		u[id] = true
	}
	return u
}()

// idTable maps a name's length, first and last two bytes to the one known field
// that could have it: a perfect hash whose multiplier is searched for at start.
var idTable = buildIDTable()

type idLookup struct {
	mul   uint32
	ids   [256]ID
	lower [knownIDs]string
}

func idHash[T ~string | ~[]byte](mul uint32, s T) uint8 {
	n := len(s)
	h := uint32(n)*419 + uint32(s[0]|0x20)*23 + uint32(s[n-2]|0x20)*131 + uint32(s[n-1]|0x20) //nolint:gosec // a field's length is bounded
	return uint8(h * mul >> 16)                                                               //nolint:gosec // one byte of the product is the hash
}

func buildIDTable() *idLookup {
	t := &idLookup{}
	for i, s := range names {
		t.lower[i] = strings.ToLower(s)
	}
search:
	for t.mul = 1; t.mul < 1<<26; t.mul += 2 {
		t.ids = [256]ID{}
		for id := Other + 1; id < knownIDs; id++ {
			h := idHash(t.mul, t.lower[id])
			if t.ids[h] != Other {
				continue search
			}
			t.ids[h] = id
		}
		return t
	}
	panic("proxy: two known field names hash alike")
}

// Classify returns the ID of a field name, in any case.
func Classify(name []byte) ID {
	if len(name) < 2 {
		return Other
	}
	id := idTable.ids[idHash(idTable.mul, name)]
	if id == Other {
		return Other
	}
	// Nearly every name comes in one of two spellings, which compare at once.
	if string(name) == names[id] || string(name) == idTable.lower[id] || EqualFold(name, idTable.lower[id]) {
		return id
	}
	return Other
}

// EqualFold compares text with a string in lower case, ignoring the case of ASCII
// letters and of no others.
func EqualFold[T ~string | ~[]byte](a T, lower string) bool {
	if len(a) != len(lower) {
		return false
	}
	for i := range len(a) {
		if lowerASCII(a[i]) != lower[i] {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
