package trial

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// Visitor is a client. It sends one request at a time, and beside it others may.
type Visitor struct {
	g   *Gateway
	x   proxy.Exchange
	ctx context.Context //nolint:containedctx // it plays the connection's
	got Answer
}

// Another returns one more client, whose connections end with ctx.
func (g *Gateway) Another(ctx context.Context) *Visitor { return &Visitor{g: g, ctx: ctx} }

// Ask is Gateway.Ask from this client.
func (v *Visitor) Ask(method, address string, fields ...string) Answer {
	v.serve(method, address, fields...)
	return v.got
}

func (v *Visitor) serve(method, address string, fields ...string) {
	g := v.g
	host, target, _ := strings.Cut(address, "/")
	path, query, has := strings.Cut("/"+target, "?")
	x := &v.x
	x.W, x.Conn = (*client)(v), proxy.NewConn(&g.Listener, Peer(g.Client), g.TLS)
	q := &x.Request
	q.Method, q.Verb = []byte(method), proxy.MethodOf([]byte(method))
	q.Host, q.Path, q.Query, q.HasQuery = []byte(host), []byte(path), []byte(query), has
	q.Protocol = proxy.HTTP11
	q.Fields.Reset(nil)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		q.Fields.Foreign(name, value)
	}
	v.got = Answer{Header: http.Header{}}
	g.proxy.Serve(x)
}

// client is the server half.
type client Visitor

func (c *client) Interim(int, *proxy.Fields) error { return nil }

func (c *client) Head(r *proxy.Response) error {
	c.got.Status, c.got.Header = r.Status, header(&r.Fields)
	return nil
}

func (c *client) Body(p []byte) error {
	c.got.Body += string(p)
	return nil
}

func (c *client) Flush() error                        { return nil }
func (c *client) End(*proxy.Fields) error             { return nil }
func (c *client) Abort()                              { c.got.Gone = true }
func (c *client) Tunnel() (io.ReadWriteCloser, error) { return nil, io.ErrClosedPipe }
func (c *client) Context() context.Context            { return c.ctx }
