package proxy

import (
	"cmp"
	"encoding/hex"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// recentOfKind is how many answers of each kind are remembered. Each kind has its
// own, so that a flood of one does not push the others out.
const recentOfKind = 16

// Bounds of what is remembered of a request, in bytes. The rest is cut off.
const (
	recentPath  = 160
	recentShort = 64 // host, method and request id
	recentErr   = 200
)

// RecentAnswer is an answer that the gateway made itself, a while ago.
type RecentAnswer struct {
	// Seq counts answers, of all kinds, from 1 on.
	Seq     uint64
	Time    time.Time
	Problem *Problem
	// Method, Host and Path are the client's words, the path without its query.
	// They may be cut off, and hold anything.
	Method, Host, Path string
	// Route is empty when there was none.
	Route     string
	RequestID string
	// Client is a digest of who asked. See Caller.
	Client string
	// Limit is the one that refused, Err what the log says; both may be empty.
	Limit, Err string
}

// recentAnswers remembers the last answers of each kind. The zero value must have
// its seed set.
type recentAnswers struct {
	seed  maphash.Seed
	seq   atomic.Uint64
	kinds [problems]atomic.Pointer[recentRing] // made when first needed
}

// recentRing is one kind's. A request whose slot is in use at that moment, by a
// reader or by one that is a whole round behind, does not wait: it is not
// remembered.
type recentRing struct {
	next  atomic.Uint64
	slots [recentOfKind]recentSlot
}

// recentSlot has the space of one answer, so that none is allocated.
type recentSlot struct {
	mu      sync.Mutex
	seq     uint64 // 0 for an empty one
	wall    time.Duration
	problem *Problem
	route   string
	limit   string
	caller  uint64

	method, host, id shortText
	path             [recentPath]byte
	pathLen          uint8
	err              [recentErr]byte
	errLen           uint8
}

// shortText is a text of bounded length.
type shortText struct {
	b [recentShort]byte
	n uint8
}

func (s *shortText) set(text []byte) { s.n = uint8(copy(s.b[:], text)) } //nolint:gosec // of 64
func (s *shortText) String() string  { return string(s.b[:s.n]) }

// note remembers the exchange's answer. It does not wait, and allocates nothing but
// the text of an error.
func (r *recentAnswers) note(x *Exchange) {
	kind := &r.kinds[x.Problem.index]
	ring := kind.Load()
	if ring == nil {
		kind.CompareAndSwap(nil, &recentRing{})
		ring = kind.Load()
	}
	s := &ring.slots[ring.next.Add(1)%recentOfKind]
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	s.seq, s.wall, s.problem = r.seq.Add(1), x.Start.Wall, x.Problem
	s.caller = r.caller(x.Client)
	s.route, s.limit, s.errLen = "", "", 0
	if x.Route != nil {
		s.route = x.Route.Name()
	}
	if x.Problem == QuotaExceeded || x.Problem == ReducedCapacity {
		if l := x.refusedBy(); l != nil {
			s.limit = l.Name
		}
	}
	if x.Err != nil {
		s.errLen = uint8(copy(s.err[:], x.Err.Error())) //nolint:gosec // of 200
	}
	s.method.set(x.Request.Method)
	s.host.set(x.Request.Host)
	s.id.set(x.requestID)
	s.pathLen = uint8(copy(s.path[:], x.received)) //nolint:gosec // of 160
}

// caller digests an address, of IPv6 the network that one customer has.
func (r *recentAnswers) caller(a netip.Addr) uint64 {
	if a.Is6() {
		p, _ := a.Prefix(64)
		a = p.Addr()
	}
	b := a.As16()
	return maphash.Bytes(r.seed, b[:])
}

// Caller returns the digest by which a client is shown where its address is
// nobody's business: of IPv4 by the address, of IPv6 by its /64. It is another
// one in every process.
func Caller(digest uint64) string {
	var b [8]byte
	for i := range b {
		b[i] = byte(digest >> (56 - 8*i)) //nolint:gosec // one byte of eight
	}
	return hex.EncodeToString(b[:])
}

// RecentAnswers returns the last answers that the gateway made itself, newest
// first, those after the one of number since; as many as are remembered of each
// kind.
func (p *Proxy) RecentAnswers(since uint64) []RecentAnswer {
	var list []RecentAnswer
	if p.recent.seq.Load() <= since {
		return nil
	}
	for i := range p.recent.kinds {
		ring := p.recent.kinds[i].Load()
		if ring == nil {
			continue
		}
		for j := range ring.slots {
			if a, ok := ring.slots[j].read(since); ok {
				list = append(list, a)
			}
		}
	}
	slices.SortFunc(list, func(a, b RecentAnswer) int { return cmp.Compare(b.Seq, a.Seq) })
	return list
}

func (s *recentSlot) read(since uint64) (a RecentAnswer, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seq <= since {
		return a, false
	}
	a = RecentAnswer{
		Seq: s.seq, Time: time.Unix(0, int64(s.wall)), Problem: s.problem, Method: s.method.String(), Host: s.host.String(),
		Path: string(s.path[:s.pathLen]), Route: s.route, RequestID: s.id.String(), Client: Caller(s.caller),
		Limit: s.limit, Err: string(s.err[:s.errLen]),
	}
	return a, true
}
