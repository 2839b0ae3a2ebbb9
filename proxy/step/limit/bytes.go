package limit

import (
	"slices"

	"github.com/lictor/lictor/limits"
	"github.com/lictor/lictor/proxy"
)

// bytes is what is known beforehand of how many bytes an exchange's body has. Of a
// body whose length isn't told it is the first: whoever has nothing left sends
// none.
func (l *Limit) bytes(x *proxy.Exchange) int64 {
	switch {
	case x.Request.Body == nil:
		return 0
	case x.Request.Length == proxy.Unknown:
		return 1
	}
	return x.Request.Length
}

// meter charges the limit for what comes of a body whose length wasn't told, piece
// by piece. The body isn't cut off: what it is longer than its client can afford is
// owed, and the client's next requests pay for it.
func (l *Limit) meter(x *proxy.Exchange) {
	debtor, ok := l.Limiter.(limits.Debtor)
	if !ok || x.Request.Body == nil || x.Request.Length != proxy.Unknown {
		return
	}
	x.Request.Body = &meteredBody{Body: x.Request.Body, to: debtor, key: slices.Clone(l.key(x)), start: x.Start, charged: l.cost(x)}
}

// meteredBody is a body that is charged for as it is read.
type meteredBody struct {
	proxy.Body
	to      limits.Debtor
	key     []byte
	start   limits.Time
	read    int64
	charged int64
}

// Next implements proxy.Body.
func (b *meteredBody) Next() ([]byte, error) {
	p, err := b.Body.Next()
	b.read += int64(len(p))
	if b.read > b.charged {
		b.to.Debit(b.key, b.read-b.charged, b.start)
		b.charged = b.read
	}
	return p, err
}
