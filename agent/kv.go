package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
)

// kvFirstTime bounds the first question for the policies in Consul, which the
// start waits for: a gateway that serves before it knows them answers 404.
const kvFirstTime = 3 * time.Second

// kvPolicies are the policies that lie in Consul's KV store. What is newest is
// part of every reload, whatever the reload is for, so that what serves is always
// one whole: the files and the keys as they are. The newest may be refused; then
// the generation before stays, made of the keys before.
type kvPolicies struct {
	prefix string
	watch  *consul.KVWatch
	// latest is the newest that is known, nil before anything is.
	latest atomic.Pointer[consul.Documents]
	// refusal is why the last reload was refused, nil when it was not.
	refusal atomic.Pointer[refusal]
	saved   atomic.Pointer[consul.Documents] // what is on disk
}

// refusal is why a reload was refused.
type refusal struct {
	line string // the first fault, in one line
	text string // all of it
}

// openKV returns nil when no policies lie in Consul.
func (a *Agent) openKV(c *config.Config) (*kvPolicies, error) {
	if c.Policies.KVPrefix == "" || c.Consul == nil {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	in := a.consulConfig(c)
	in.Logger = a.log.Named("kv")
	w, err := consul.NewKVWatch(in, c.Policies.KVPrefix)
	if err != nil {
		return nil, fmt.Errorf("opening the policies in Consul: %w", err)
	}
	return &kvPolicies{prefix: c.Policies.KVPrefix, watch: w}, nil
}

// KVSourceName is what a key of Consul's KV store is called in diagnostics.
func KVSourceName(key string) string { return "kv:" + key }

// kvTexts makes policy texts of documents.
func kvTexts(d *consul.Documents) []config.Source {
	if d == nil {
		return nil
	}
	var out []config.Source
	for _, v := range d.List {
		out = append(out, config.Source{Name: KVSourceName(v.Key), Text: v.Text, Remote: true})
	}
	return out
}

// input is what the configuration is loaded from, with what lies in Consul: the
// documents, and the routes of services' tags.
func (a *Agent) input(docs *consul.Documents, tags *tagSet) config.Input {
	in := a.options.Input
	in.Policies = slices.Concat(in.Policies, kvTexts(docs), tags.sources())
	return in
}

// newest returns the documents that are known now. It may be called on nil.
func (k *kvPolicies) newest() *consul.Documents {
	if k == nil {
		return nil
	}
	return k.latest.Load()
}

// firstGeneration builds what the gateway starts with: the files and what lies
// in Consul; where that is broken or out of reach, what was good before the
// gateway was started; or else the files alone, which leave it unready.
func (a *Agent) firstGeneration(c *config.Config, files *config.Files) (*generation, error) {
	if a.kv == nil {
		return a.build(c, files, nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), kvFirstTime)
	defer cancel()
	a.firstLogin(ctx)
	now, kept, err := a.kv.watch.First(ctx)
	if err != nil {
		a.log.Warn("starting without Consul's word on policies", "prefix", a.kv.prefix, "error", err)
	}
	for _, docs := range []*consul.Documents{now, kept} {
		if docs == nil {
			continue
		}
		if a.kv.latest.Load() == nil {
			a.kv.latest.Store(docs)
		}
		g, err := a.buildWith(docs)
		if err == nil {
			a.kv.accepted(a, docs)
			return g, nil
		}
		a.kv.refusal.Store(newRefusal(err))
		a.log.Error("policies in the KV store are refused", "prefix", a.kv.prefix, "stale", docs.Stale, "error", err)
	}
	return a.build(c, files, nil)
}

func (a *Agent) buildWith(docs *consul.Documents) (*generation, error) {
	c, files, diags := config.Load(a.input(docs, nil))
	if diags.HasErrors() {
		return nil, refused(files, diags)
	}
	g, err := a.build(c, files, nil)
	if err != nil {
		return nil, err
	}
	a.warn(diags)
	g.kv = docs
	return g, nil
}

// followKV takes up what changes in Consul.
func (a *Agent) followKV(ctx context.Context) {
	if a.kv == nil {
		return
	}
	a.kv.watch.Run(ctx, func(docs *consul.Documents) {
		a.kv.latest.Store(docs)
		if a.kv.refusal.Load() == nil && a.current.Load().kv.Equal(docs) {
			a.kv.accepted(a, docs) // confirmed, or a change that was undone
			return
		}
		_, _ = a.Reload() // it has logged what is wrong
	})
}

// accepted takes note of documents that serve. It may be called on nil.
func (k *kvPolicies) accepted(a *Agent, docs *consul.Documents) {
	if k == nil {
		return
	}
	if docs.Equal(k.latest.Load()) {
		k.refusal.Store(nil)
	}
	if docs == nil || docs.Stale || k.saved.Swap(docs) == docs {
		return
	}
	if err := k.watch.Save(docs); err != nil {
		a.log.Warn("last good policies can't be written", "prefix", k.prefix, "error", err)
	}
}

// refused takes note of a reload that was refused. It may be called on nil.
func (k *kvPolicies) refused(err error) {
	if k != nil {
		k.refusal.Store(newRefusal(err))
	}
}

func newRefusal(err error) *refusal {
	r := &refusal{line: err.Error(), text: err.Error()}
	d, ok := errors.AsType[*DiagnosticsError](err)
	if !ok {
		return r
	}
	faults := slices.DeleteFunc(slices.Clone(d.Diagnostics), func(d *hcl.Diagnostic) bool { return d.Severity != hcl.DiagError })
	if len(faults) == 0 {
		return r
	}
	r.line = faults[0].Summary
	if at := faults[0].Subject; at != nil {
		r.line = at.String() + ": " + r.line
	}
	if more := len(faults) - 1; more > 0 {
		r.line += fmt.Sprintf(" (and %d more)", more)
	}
	return r
}

// behind reports whether the newest documents are not those that serve.
func (k *kvPolicies) behind(g *generation) bool {
	return !k.latest.Load().Equal(g.kv)
}

// notReady is why the gateway should get no traffic, "" when it should.
func (k *kvPolicies) notReady(g *generation) string {
	if k == nil || g.kv != nil {
		return ""
	}
	what := "policies below " + k.prefix + " in Consul's KV store "
	if r := k.refusal.Load(); r != nil {
		return what + "are refused: " + r.line
	}
	switch s := k.watch.Status(); {
	case s.Held != "":
		return what + "can't be read: " + s.Held
	case s.Err != nil:
		return what + "can't be read: " + s.Err.Error()
	}
	return what + "have not been read yet"
}

// warnings are the conditions that need a person.
func (k *kvPolicies) warnings(g *generation) []string {
	if k == nil {
		return nil
	}
	var out []string
	s := k.watch.Status()
	if w := s.Warning(); w != "" {
		out = append(out, "policies below "+k.prefix+" in Consul's KV store: "+w)
	}
	if r := k.refusal.Load(); r != nil && k.behind(g) {
		out = append(out, "policies below "+k.prefix+" in Consul's KV store are refused, the ones before stay: "+r.line)
	}
	return out
}
