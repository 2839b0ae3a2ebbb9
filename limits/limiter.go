package limits

import "time"

// Limiter keeps a budget for every key and decides. All methods may be called
// from any number of goroutines.
type Limiter interface {
	// Take decides on a request of the given cost, and charges it if allowed.
	// A cost of 0 is allowed or denied as a cost of 0 and changes nothing. The
	// key is read during the call only.
	Take(key []byte, cost int64, now Time) Decision
	// Peek answers as Take would, and charges nothing.
	Peek(key []byte, cost int64, now Time) Decision
	// Refund gives back what an allowed Take charged, when another limit of
	// the same phase denied the request. Call it at once, with the moment of
	// the Take: of a bucket it is not known any more what came between. A
	// budget never grows beyond its capacity by it.
	Refund(key []byte, cost int64, now Time)

	// Policy is the limit as clients are told of it.
	Policy() Policy
	// Keys counts the keys that are held at the moment, some of which may have
	// got everything back and only wait for another to take their place.
	Keys() int
	// Top returns the n keys with the least left, as opaque digests that never
	// give the key away. It is for people and may be slow.
	Top(n int, now Time) []KeyUsage
}

// Policy is a limit as clients are told of it.
type Policy struct {
	// Quota is the most that can be spent at once: the burst of a bucket, the
	// limit of a window.
	Quota int64
	// Window is the time in which Quota comes back in full; 0 when it doesn't by
	// waiting, as with what is in flight.
	Window time.Duration
	// Interval is the time for one unit to come back, for algorithms that
	// refill steadily; 0 for windows that reset at their end.
	Interval time.Duration
	// Unit is what is counted; empty means requests.
	Unit string
	// Varies says that windows differ in length, as months do, so that Window is
	// about right only.
	Varies bool
}

// The units other than requests, as draft-ietf-httpapi-ratelimit-headers-11 calls
// them.
const (
	ContentBytes       = "content-bytes"
	ConcurrentRequests = "concurrent-requests"
)

// KeyUsage is one key's standing.
type KeyUsage struct {
	Digest    string        `json:"key"` // hex, stable while the process runs
	Remaining int64         `json:"remaining"`
	Reset     time.Duration `json:"-"`
}
