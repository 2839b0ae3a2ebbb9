package agent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lictor/lictor/proxy"
)

// ExplainRequest is the body of POST /v1/explain: a request that no client has
// sent.
type ExplainRequest struct {
	// Method is GET when empty.
	Method string `json:"method,omitempty"`
	// URL is absolute, or a path when a Host is among the headers or no route asks
	// for one.
	URL string `json:"url"`
	// Headers are lines, "Name: value" each. Host takes the place of the URL's.
	Headers []string `json:"headers,omitempty"`
	// Token is sent as a bearer token.
	Token string `json:"token,omitempty"`
	// From is the address that the connection comes from, 127.0.0.1 when empty.
	From string `json:"from,omitempty"`
	// Source is the service of the mesh that asks, by its name or its SPIFFE ID: the
	// listener must be one in the mesh. When it is empty, what depends on who asks is
	// told of each service that an intention names.
	Source string `json:"source,omitempty"`
	// Listener is the name of the one that the connection comes in by. When it is
	// empty, the one of the URL's port does, else one of its scheme, else the first.
	Listener string `json:"listener,omitempty"`
	// Reveal shows what says who the client is.
	Reveal bool `json:"reveal,omitempty"`
}

// Bounds of an ExplainRequest. The second is what the engines bound, too.
const (
	mostExplained = 256 << 10 // bytes of JSON
	mostHeaders   = 100
)

// readExplain reads the body of a request to the API.
func readExplain(w http.ResponseWriter, r *http.Request) (*ExplainRequest, error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostExplained))
	d.DisallowUnknownFields()
	var q ExplainRequest
	if err := d.Decode(&q); err != nil {
		return nil, fmt.Errorf("reading the JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading the JSON: something follows the object")
	}
	return &q, nil
}

// asked is a URL taken apart, nothing decoded.
type asked struct {
	scheme, host, path, query string
	hasQuery                  bool
}

// takeApart takes a URL apart as it would be sent: the path as it is written.
func takeApart(url string) (a asked, err error) {
	for _, c := range []byte(url) {
		if c <= ' ' || c >= 0x7f {
			return a, fmt.Errorf("the URL holds the octet %#02x: escape it", c)
		}
	}
	rest, _, _ := strings.Cut(url, "#")
	if !strings.HasPrefix(rest, "/") {
		scheme, after, ok := strings.Cut(rest, "://")
		if a.scheme = strings.ToLower(scheme); !ok || a.scheme != "http" && a.scheme != "https" {
			return a, fmt.Errorf("%q is neither a URL of http or https nor a path", url)
		}
		end := strings.IndexAny(after, "/?")
		if end < 0 {
			end = len(after)
		}
		a.host, rest = after[:end], after[end:]
		if a.host == "" || strings.Contains(a.host, "@") {
			return a, errors.New("the URL needs a host, and may hold no user")
		}
	}
	a.path, a.query, a.hasQuery = strings.Cut(rest, "?")
	a.path = cmp.Or(a.path, "/")
	return a, nil
}

// noBody stands for a body of a length that is told.
type noBody struct{}

func (noBody) Next() ([]byte, error)  { return nil, io.EOF }
func (noBody) Ready() bool            { return true }
func (noBody) Trailer() *proxy.Fields { return nil }

// exchange makes the request one that the pipeline can look at.
func (q *ExplainRequest) exchange(servers []*server) (x *proxy.Exchange, s *server, err error) {
	a, err := takeApart(q.URL)
	if err != nil {
		return nil, nil, err
	}
	method := cmp.Or(q.Method, http.MethodGet)
	if !token(method) {
		return nil, nil, fmt.Errorf("%q is no method", method)
	}
	from, err := netip.ParseAddr(cmp.Or(q.From, "127.0.0.1"))
	if err != nil {
		return nil, nil, fmt.Errorf("from: %q is no address", q.From)
	}
	if s, err = q.listener(servers, &a); err != nil {
		return nil, nil, err
	}
	x = &proxy.Exchange{Conn: proxy.NewConn(s.listener, netip.AddrPortFrom(from, 0), s.secure())}
	r := &x.Request
	r.Method, r.Verb, r.Protocol = []byte(method), proxy.MethodOf([]byte(method)), proxy.HTTP11
	r.Path, r.Query, r.HasQuery = []byte(a.path), []byte(a.query), a.hasQuery
	r.Target = []byte(a.path)
	r.Fields.Reset(nil)
	lines := q.Headers
	if q.Token != "" {
		lines = append(slices.Clip(lines), "Authorization: Bearer "+q.Token)
	}
	if len(lines) > mostHeaders {
		return nil, nil, fmt.Errorf("%d headers are more than %d", len(lines), mostHeaders)
	}
	host := a.host
	for _, line := range lines {
		name, value, err := headerLine(line)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case strings.EqualFold(name, "Host"):
			host = value
			continue
		case strings.EqualFold(name, "Content-Length"):
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return nil, nil, errors.New("the Content-Length is no length")
			}
			if r.Length = n; n > 0 {
				r.Body = noBody{}
			}
			continue
		}
		r.Fields.Foreign(name, value)
	}
	r.Host = []byte(host)
	if host != "" {
		r.Fields.Foreign("Host", host)
	}
	r.WebSocket = r.Verb == proxy.MethodGet && r.Fields.HasToken(proxy.UpgradeField, "websocket") && r.Fields.HasToken(proxy.Connection, "upgrade")
	r.Fields.DropNominated()
	return x, s, nil
}

// headerLine reads "Name: value" (RFC 9110 section 5). What no engine would let pass
// is refused; of values nothing is told, which may be secrets.
func headerLine(line string) (name, value string, err error) {
	name, value, ok := strings.Cut(line, ":")
	if !ok || !token(name) {
		return "", "", errors.New(`a header is not of the form "Name: value"`)
	}
	value = strings.Trim(value, " \t")
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return "", "", fmt.Errorf("the value of the header %s holds a control character", name)
	}
	return name, value, nil
}

// token reports whether s is a token (RFC 9110 section 5.6.2).
func token(s string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && !bytes.Contains([]byte("!#$%&'*+-.^_`|~"), []byte{c}) {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// listener returns the one that the connection would come in by.
func (q *ExplainRequest) listener(servers []*server, a *asked) (*server, error) {
	if len(servers) == 0 {
		return nil, errors.New("the gateway has no listener")
	}
	best, rank := servers[0], 0
	_, port, _ := cutPort(a.host)
	for _, s := range servers {
		r := 0
		switch {
		case q.Listener != "" && s.listener.Name == q.Listener:
			return s, nil
		case port != "" && port == strconv.Itoa(int(s.listener.Port)):
			r = 2
		case a.scheme != "" && s.secure() == (a.scheme == "https"):
			r = 1
		}
		if r > rank {
			best, rank = s, r
		}
	}
	if q.Listener != "" {
		return nil, fmt.Errorf("there is no listener %q", q.Listener)
	}
	return best, nil
}

// cutPort cuts a port off an authority.
func cutPort(authority string) (host, port string, found bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || i < strings.LastIndexByte(authority, ']') {
		return authority, "", false
	}
	return authority[:i], authority[i+1:], true
}

// secure reports whether TLS is spoken at the listener.
func (s *server) secure() bool { return s.certs != nil || s.mesh != nil }
