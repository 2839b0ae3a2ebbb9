package consul

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// TagWatch finds the services of which an instance carries a tag of some kind. It
// asks for the names and tags of all services (catalog/services), which changes
// whenever any registration does, and so is asked for at most every two seconds.
//
// It is for finding services, not for losing them: what it stops to name may be
// hidden, or its Consul may have lost its memory. Whoever follows a service that it
// has named knows that better, by the watch of that service (see tracker).
//
// Run is called once.
type TagWatch struct {
	con   *client
	log   hclog.Logger
	match func(tag string) bool
	kick  *bell // the token changed
	disk  string

	cur     cursor
	backoff time.Duration

	mu     sync.Mutex
	status TagStatus
}

// TagStatus tells how current what is known is.
type TagStatus struct {
	// Known says that Consul has answered once, and that take has had the answer.
	Known bool
	// Held is why the last answer was not believed, "" when it was.
	Held string
	// Err is why there is no answer, nil when there is.
	Err error
}

// NewTagWatch returns a watch of services with tags that match. It asks nothing
// before Run, and fails when the client can't be built or the token file or the TLS
// files can't be read.
func NewTagWatch(cfg Config, match func(tag string) bool) (*TagWatch, error) {
	con, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	w := &TagWatch{con: con, log: cfg.Logger, match: match, kick: newBell()}
	if cfg.DataDir != "" {
		w.disk = filepath.Join(cfg.DataDir, storeName)
	}
	return w, nil
}

// Saved returns the services whose last good state, that a Source has kept in the
// data directory, has such a tag.
func (w *TagWatch) Saved() []string {
	if w.disk == "" {
		return nil
	}
	doc, err := readDocument(w.disk)
	if err != nil {
		return nil // the source of the catalog says what is wrong with it
	}
	var names []string
	for _, s := range doc.Services {
		for i := range s.Instances {
			if slices.ContainsFunc(s.Instances[i].Tags, w.match) {
				names = append(names, s.Name)
				break
			}
		}
	}
	return names
}

// Run follows the catalog until ctx is done. take gets the names, sorted, each time
// they have changed; while it runs nothing is asked.
func (w *TagWatch) Run(ctx context.Context, take func(names []string)) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { w.con.token.run(ctx, w.kick.strike) })
	var known []string
	first := true
	for ctx.Err() == nil {
		kick := w.kick.heard()
		sent := time.Now()
		names, err := w.ask(ctx, kick)
		switch {
		case ctx.Err() != nil:
			return
		case kick.Err() != nil:
			w.cur = w.cur.plain()
			continue
		case err != nil:
			w.cur = w.cur.plain()
			w.failed(err)
			w.backoff = grow(w.backoff, kvLimit(err))
			pause(ctx, kick, jitter(w.backoff, chance()))
			continue
		case names == nil:
			continue // it is asked for again, plainly
		case names.held != "":
			w.held(names.held)
			w.backoff = grow(w.backoff, holdLimit(names.held))
			pause(ctx, kick, jitter(w.backoff, chance()))
			continue
		}
		w.backoff = 0
		if first || !slices.Equal(known, names.list) {
			first, known = false, names.list
			take(names.list)
		}
		w.believed() // once they have been taken: who sees it known may rely on them
		pause(ctx, kick, servicesFloor-time.Since(sent))
	}
}

// tagged is an answer: the names, or why they are not believed.
type tagged struct {
	list []string
	held string
}

// ask puts one query. Nil without an error means to ask again at once.
func (w *TagWatch) ask(ctx, kick context.Context) (_ *tagged, err error) {
	defer rescue(&err)
	index, wait := w.cur.wait, waitTime
	if index == 0 {
		wait = 0
	}
	ctx, cancel := context.WithTimeout(ctx, deadline(wait))
	defer cancel()
	defer context.AfterFunc(kick, cancel)()
	o := w.con.options(ctx, index, wait)
	services, meta, err := w.con.api.Catalog().Services(o)
	if err != nil {
		return nil, err
	}
	next, backwards := w.cur.step(meta.LastIndex)
	w.cur = next
	if len(services) == 0 || backwards {
		w.cur = w.cur.plain()
		if index > 0 {
			return nil, nil //nolint:nilnil // neither an answer nor an error
		}
	}
	if len(services) == 0 {
		e := evidence{
			filtered: meta.ResultsFilteredByACLs, knownLeader: meta.KnownLeader,
			anonymous: o.Token == "", denyDefault: meta.DefaultACLPolicy == "deny", sinceRegression: -1,
		}
		if why := e.doubt(); why != "" {
			return &tagged{held: why}, nil
		}
	}
	w.cur.wait = max(meta.LastIndex, 1)
	t := &tagged{list: []string{}}
	for name, tags := range services {
		if name != "" && slices.ContainsFunc(tags, w.match) {
			t.list = append(t.list, name)
		}
	}
	slices.Sort(t.list)
	return t, nil
}

func (w *TagWatch) believed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status.Err != nil || w.status.Held != "" {
		w.log.Info("the services' tags are read again")
	}
	w.status = TagStatus{Known: true}
}

func (w *TagWatch) held(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status.Held != reason {
		w.log.Warn("the list of services is not believed, what is known stays", "reason", reason)
	}
	w.status.Held, w.status.Err = reason, nil
}

func (w *TagWatch) failed(err error) {
	w.con.token.note(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status.Err == nil || errorKind(w.status.Err) != errorKind(err) {
		w.log.Warn("the services' tags can't be read, what is known stays", "error", err)
	}
	w.status.Held, w.status.Err = "", err
}

// Status tells how current what is known is. It may be called at any time.
func (w *TagWatch) Status() TagStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// pause waits for d, or until ctx is done, or at kick.
func pause(ctx, kick context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-kick.Done():
	case <-timer.C:
	}
}
