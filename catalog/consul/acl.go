package consul

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lictor/lictor/catalog"
)

const (
	aclInterval = 60 * time.Second
	aclQueue    = 64
)

const (
	warnAnonymousText = "there is no ACL token, and Consul denies by default: set token_file"
	warnTokenText     = "Consul refuses the token (403): it was revoked, has expired, or is another datacenter's"
)

// acl finds out which ACL rules the token lacks. Consul says it badly: a list
// that the token may not read is an empty list, and only the plain reads carry
// a header that something was left out.
type acl struct {
	con  *client
	warn *warnings
	look chan string // services whose last plain answer was filtered
}

func newACL(con *client, warn *warnings) *acl {
	return &acl{con: con, warn: warn, look: make(chan string, aclQueue)}
}

// note takes in what a watch said. It does not block.
func (a *acl) note(e event) {
	key := warnService + e.from.name
	empty := e.held != "" || e.service != nil && len(e.service.Instances) == 0
	switch {
	case e.err != nil:
		a.con.token.note(e.err)
		if statusCode(e.err) == http.StatusForbidden {
			a.warn.set(warnToken, warnTokenText)
		}
		return
	case e.service != nil && e.service.Stale:
		return // not Consul's word, or not all of it
	}
	a.warn.clear(warnToken)
	if !e.plain {
		return
	}
	if !e.deny {
		a.warn.clear(warnAnonymous)
	} else if empty {
		a.warn.set(warnAnonymous, warnAnonymousText)
	}
	if !e.filtered {
		a.warn.clear(key)
	} else if !a.warn.has(key) {
		select {
		case a.look <- e.from.name:
		default: // looked at with the next plain answer
		}
	}
}

// run looks into filtered answers until ctx is done. Blocking answers don't say
// that they were filtered, so whether the rule is there by now is asked every
// minute.
func (a *acl) run(ctx context.Context) {
	tick := time.NewTicker(aclInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-a.look:
			a.diagnose(ctx, name)
		case <-tick.C:
			for _, key := range a.warn.keys() {
				if name, ok := strings.CutPrefix(key, warnService); ok {
					a.recheck(ctx, name)
				}
			}
		}
	}
}

// diagnose tells which rule is missing for a service whose answer was filtered.
// Reading an instance takes service:read on its service and node:read on its
// node. The endpoint for mesh instances, unlike the others, refuses with 403
// where the first is missing.
func (a *acl) diagnose(ctx context.Context, followed string) {
	if _, is := catalog.CutQueryName(followed); is {
		a.warn.set(warnService+followed, fmt.Sprintf(
			`the token may not read all that the prepared query %q finds: add service_prefix "" and node_prefix "" { policy = "read" } to its policy, or to that of the query's own token`, followed))
		return
	}
	name, _ := catalog.CutMeshName(followed)
	name, datacenter := catalog.CutDatacenter(name)
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	o := a.con.options(ctx, 0, 0)
	where := ""
	if datacenter != "" {
		o.Datacenter, where = datacenter, " in datacenter "+datacenter
	}
	_, _, err := a.con.api.Health().Connect(name, "", false, o)
	switch {
	case statusCode(err) == http.StatusForbidden:
		a.warn.set(warnService+followed, fmt.Sprintf(
			`the token may not read service %q%s: add service %q { policy = "read" }, or service_prefix "" for all, to its policy`, name, where, name))
	case err == nil:
		a.warn.set(warnService+followed, fmt.Sprintf(
			`the token may not read the nodes that service %q runs on%s: add node_prefix "" { policy = "read" } to its policy`, name, where))
	}
}

func (a *acl) recheck(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	read := func() (answer, error) { return a.con.service(ctx, name, 0, 0) }
	if query, is := catalog.CutQueryName(name); is {
		read = func() (answer, error) { return a.con.execute(ctx, query) }
	}
	if got, err := read(); err == nil && !got.filtered {
		a.warn.clear(warnService + name)
	}
}
