package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/lictor/lictor/catalog"
)

const (
	// waitTime is how long Consul may hold a blocking query. An index from
	// before Consul lost its state blocks blindly for this long, so it is short.
	waitTime = 60 * time.Second
	// readTime bounds a query that does not block, and what a blocking one may
	// take besides its wait.
	readTime = 10 * time.Second
	// loginTime bounds connecting to the agent, TLS included.
	loginTime = 5 * time.Second
)

// deadline returns when a query is given up: Consul adds up to a sixteenth to a
// wait, and the api has no timeout of its own. 0 is a query that does not block.
func deadline(wait time.Duration) time.Duration {
	return wait + wait/16 + readTime
}

// client is the api's, with the token that is current.
type client struct {
	api   *api.Client
	token *token
	dc    string
	// Both empty but in Consul Enterprise.
	namespace, partition string
	// plain says that every query in flight takes a connection of its own. Over
	// TLS they share a few (HTTP/2).
	plain bool
}

func newClient(cfg *Config) (*client, error) {
	conf := cfg.API
	if conf == nil {
		conf = api.DefaultConfig()
		tune(conf.Transport, cmp.Or(cfg.PlainWatches, plainWatches)+spareConns)
	} else {
		c := *conf
		conf = &c
	}
	conf.Address = cmp.Or(cfg.Address, conf.Address)
	dc := cmp.Or(cfg.Datacenter, conf.Datacenter)
	conf.Datacenter = "" // else it would go with calls to the agent itself too
	conf.Namespace = cmp.Or(cfg.Namespace, conf.Namespace)
	conf.Partition = cmp.Or(cfg.Partition, conf.Partition)
	conf.WaitTime = 0 // each query says its own

	file, literal := conf.TokenFile, conf.Token
	if cfg.TokenFile != "" || cfg.Token != "" {
		file, literal = cfg.TokenFile, cfg.Token
	}
	tok, err := newToken(cfg.Logger, file, literal)
	if err != nil {
		return nil, err
	}
	tok.login = cfg.Login
	// The api would read the file once and never again. The token goes with
	// each query instead.
	conf.TokenFile, conf.Token = "", tok.current()

	c, err := api.NewClient(conf)
	if err != nil {
		return nil, fmt.Errorf("building the client of Consul at %q: %w", conf.Address, err)
	}
	return &client{
		api: c, token: tok, dc: dc, plain: conf.Scheme != "https",
		namespace: conf.Namespace, partition: conf.Partition,
	}, nil
}

// own returns the name of the datacenter that services are looked for in unless
// their names say another, empty while it is not known.
func (c *client) own(here place) string { return cmp.Or(c.dc, here.Datacenter) }

// spareConns is how many connections there may be besides those of the watches:
// the shared queries and their readers, the probe, and other short questions.
const spareConns = sharedReaders + 8

// tune fits the api's transport to many long queries to one host.
func tune(t *http.Transport, conns int) {
	// As many connections wait for the next query as there are watches: the
	// default of a few would close and open one at every answer. And no more
	// than these: a burst of queries would open connections that nobody needs a
	// moment later, out of the few that the agent takes from one host.
	t.MaxConnsPerHost = conns
	t.MaxIdleConnsPerHost = conns
	t.MaxIdleConns = 0
	// A partition shows within half a minute on an idle connection.
	d := &net.Dialer{
		Timeout: loginTime,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
		},
	}
	t.DialContext = d.DialContext
	t.TLSHandshakeTimeout = loginTime
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second}
}

// options returns the options of a query: index 0 is a plain read.
func (c *client) options(ctx context.Context, index uint64, wait time.Duration) *api.QueryOptions {
	o := &api.QueryOptions{Token: c.token.current(), Datacenter: c.dc}
	if index > 0 {
		o.WaitIndex, o.WaitTime = index, wait
	}
	return o.WithContext(c.token.use(ctx))
}

// writeOptions returns the options of a write.
func (c *client) writeOptions(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{Token: c.token.current(), Datacenter: c.dc}).WithContext(c.token.use(ctx))
}

// agentOptions returns the options of a call to the agent itself, which is in
// its own datacenter whatever services are asked for.
func (c *client) agentOptions(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{Token: c.token.current()}).WithContext(c.token.use(ctx))
}

// service asks for one service's instances, all states included.
func (c *client) service(ctx context.Context, name string, index uint64, wait time.Duration) (answer, error) {
	return c.health(name, c.options(ctx, index, wait))
}

// serviceStale asks any server, leader or not.
func (c *client) serviceStale(ctx context.Context, name string) (answer, error) {
	o := c.options(ctx, 0, 0)
	o.AllowStale = true
	return c.health(name, o)
}

func (c *client) health(name string, o *api.QueryOptions) (_ answer, err error) {
	defer rescue(&err)
	read := c.api.Health().Service
	name, mesh := catalog.CutMeshName(name)
	if mesh {
		read = c.api.Health().Connect
	}
	name, datacenter := catalog.CutDatacenter(name)
	o.Datacenter = cmp.Or(datacenter, o.Datacenter)
	entries, meta, err := read(name, "", false, o)
	if err != nil {
		return answer{}, err
	}
	a := answerOf(o, meta)
	a.entries, a.datacenter = entries, datacenter
	return a, nil
}

// answerOf takes from an answer what goes with every one.
func answerOf(o *api.QueryOptions, meta *api.QueryMeta) answer {
	return answer{
		index:       meta.LastIndex,
		asked:       o.WaitIndex,
		filtered:    meta.ResultsFilteredByACLs,
		knownLeader: meta.KnownLeader,
		anonymous:   o.Token == "",
		denyDefault: meta.DefaultACLPolicy == "deny",
	}
}

// state asks for all checks of all services and nodes.
func (c *client) state(ctx context.Context, index uint64) (_ api.HealthChecks, at uint64, err error) {
	defer rescue(&err)
	list, meta, err := c.api.Health().State(api.HealthAny, c.options(ctx, index, waitTime))
	if err != nil {
		return nil, 0, err
	}
	return list, meta.LastIndex, nil
}

// rescue makes an error of a panic: the api's decoder of a check's definition
// panics when the definition is null. An odd reply must not end the gateway.
func rescue(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("decoding Consul's answer: %v", p)
	}
}

// leader asks for the address of the leading server; an agent that knows none
// is as good as away. It needs no ACL rule.
func (c *client) leader(ctx context.Context) error {
	var addr string
	o := (&api.QueryOptions{Token: c.token.current()}).WithContext(ctx)
	if _, err := c.api.Raw().Query("/v1/status/leader", &addr, o); err != nil {
		return err
	}
	if addr == "" {
		return errNoLeader
	}
	return nil
}

var errNoLeader = errors.New("consul has no known leader")

// self asks the agent where it runs.
func (c *client) self(ctx context.Context) (place, error) {
	var out struct {
		Config struct{ NodeName, Datacenter string }
	}
	if _, err := c.api.Raw().Query("/v1/agent/self", &out, c.agentOptions(ctx)); err != nil {
		return place{}, err
	}
	return place{Node: out.Config.NodeName, Datacenter: out.Config.Datacenter}, nil
}

// fileText reads a file that holds one line.
func fileText(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}
