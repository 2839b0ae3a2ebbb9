package redis

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/lictor/lictor/limits"
)

// DefaultTimeout bounds a call to the store unless Options say otherwise.
const DefaultTimeout = 20 * time.Millisecond

// DefaultPrefix is what the names of keys begin with unless Options say
// otherwise.
const DefaultPrefix = "lictor"

// Options say where the store is and how to speak to it.
type Options struct {
	// Addresses are host:port. One is a server; several are the seeds of a
	// cluster, or, with a Master, of the sentinels that know it.
	Addresses []string
	// Master is the name of the master that sentinels watch; empty means that
	// there are none.
	Master string
	// Credentials are what to sign in with, asked for whenever a connection is
	// made; nil means not to sign in.
	Credentials func() (username, password string, err error)
	// Database is the number of the database; a cluster has 0 only.
	Database int
	// TLS is nil for a connection in clear.
	TLS *tls.Config
	// Prefix is what the names of keys begin with; empty means DefaultPrefix.
	// Gateways with the same prefix share their budgets.
	Prefix string
	// Salt goes into the digests that keys are named after, so that nobody who
	// reads the store can try addresses. Gateways share it as well; nil means
	// none.
	Salt []byte
	// Timeout bounds each call, all that it waits for included; 0 means
	// DefaultTimeout.
	Timeout time.Duration
	// Gateways is how many gateways there are as long as none has been heard of:
	// with OnError Share each then limits to such a part. 0 means 1.
	Gateways int
	// Clock is what moments are read from.
	Clock *limits.Clock
	// Changed is called when the store has begun to answer, or ceased to. It
	// must not block; nil means nobody wants to know.
	Changed func(answers bool, err error)
}

// poolSize is how many connections there are at most: each is busy for a round
// trip, so that this many serve tens of thousands of decisions a second.
const poolSize = 64

// dialTimeout bounds the making of a connection, which goes on when the request
// that wanted one has long been answered.
const dialTimeout = time.Second

func (o *Options) client() redis.UniversalClient {
	u := &redis.UniversalOptions{
		Addrs: o.Addresses, MasterName: o.Master, DB: o.Database, TLSConfig: o.TLS,
		Protocol:        2,
		DisableIdentity: true,
		// Nobody waits for a second attempt: a decision is made without.
		MaxRetries: -1, DialerRetries: 1, DialTimeout: dialTimeout,
		ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout,
		ContextTimeoutEnabled: true,
		PoolSize:              poolSize, MinIdleConns: 2,
		ReadBufferSize: 4096, WriteBufferSize: 4096,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.Credentials != nil {
		u.CredentialsProviderContext = func(context.Context) (string, string, error) { return o.Credentials() }
	}
	return redis.NewUniversalClient(u)
}
