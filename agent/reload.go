package agent

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
)

// ReloadReport tells what a reload did.
type ReloadReport struct {
	// Generation is the one that serves now.
	Generation uint64 `json:"generation"`
	// Diagnostics is the rendered text of errors and warnings, empty when
	// there are none.
	Diagnostics string `json:"diagnostics,omitempty"`
	// Notes tell what the reload could not keep or could not change.
	Notes []string `json:"notes,omitempty"`
}

// LoadReport is the last reload, or the start when there was none.
type LoadReport struct {
	Time time.Time `json:"time"`
	OK   bool      `json:"ok"`
	ReloadReport
}

// loadedAs takes down how the last load went.
func (a *Agent) loadedAs(ok bool, r ReloadReport) {
	a.loaded.Store(&LoadReport{Time: time.Now().UTC(), OK: ok, ReloadReport: r})
}

// reloadCounts are the figures of lictor_reloads_total.
type reloadCounts struct{ ok, failed atomic.Uint64 }

// Reload loads the configuration again, policies in Consul included as they are
// known, and swaps the policies. When anything is
// wrong, nothing changes and the error is a *DiagnosticsError. No request
// fails because of it, and none is interrupted.
func (a *Agent) Reload() (ReloadReport, error) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	unread := a.admin.guard.token.look(false)
	old := a.current.Load()
	begun := a.read.begin()
	docs, tags := a.kv.newest(), a.tags.current()
	p := a.prepare(old, docs, tags)
	if p.err != nil && !tags.same(old.tags) {
		// Who may register a service must not keep policies from being changed. The
		// tags of before have been good with others.
		if again := a.prepare(old, docs, old.tags); again.err == nil {
			a.log.Error("routes of services' tags refused, those of before stay", "error", p.err)
			a.tags.refused(p.err)
			p, tags = again, old.tags
		}
	}
	// What the generation that goes on serving is made of counts too: a refused
	// load may have stopped short of it.
	a.read.end(begun, pathsOf(old.config, old.files).with(pathsOf(p.config, p.files)))
	if p.err != nil {
		return a.reloadFailed(old, p.err)
	}
	g, c, files, diags := p.next, p.config, p.files, p.diags
	g.tags = tags
	g.kv = docs
	for _, name := range config.RestartNeeded(a.config, c) {
		g.notes = append(g.notes, fmt.Sprintf("restart needed: %s changed", name))
	}
	if unread != nil {
		g.notes = append(g.notes, fmt.Sprintf("admin token: %v: the previous one stays", unread))
	}
	a.log.SetLevel(hclog.LevelFromString(c.LogLevel))
	a.commit(g)
	a.kv.accepted(a, docs)
	a.reloads.ok.Add(1)
	report := ReloadReport{Generation: g.number, Diagnostics: render(files, diags), Notes: g.notes}
	a.loadedAs(true, report)
	a.log.Info("configuration reloaded", "generation", g.number, "routes", len(g.everyRoute()), "limits", len(g.limits))
	for _, n := range g.notes {
		a.log.Warn("reload note", "note", n)
	}
	a.warn(diags)
	return report, nil
}

// prepared is a configuration that was loaded, and the generation made of it.
type prepared struct {
	config *config.Config
	files  *config.Files
	diags  hcl.Diagnostics
	next   *generation // nil with an error
	err    error
}

// prepare loads the configuration with what lies in Consul, and touches nothing
// that is live.
func (a *Agent) prepare(old *generation, docs *consul.Documents, tags *tagSet) *prepared {
	p := &prepared{}
	p.config, p.files, p.diags = config.Load(a.input(docs, tags))
	if p.diags.HasErrors() {
		p.err = refused(p.files, p.diags)
		return p
	}
	p.next, p.err = a.build(p.config, p.files, old)
	return p
}

func (a *Agent) reloadFailed(old *generation, err error) (ReloadReport, error) {
	a.reloads.failed.Add(1)
	a.kv.refused(err)
	a.set.Retain(old.pools) // those that the refused generation had made
	a.log.Error("reload refused, the previous configuration stays", "generation", old.number, "error", err)
	report := ReloadReport{Generation: old.number, Diagnostics: err.Error()}
	if _, ok := errors.AsType[*DiagnosticsError](err); !ok {
		report.Diagnostics = "Error: " + err.Error() + "\n"
	}
	a.loadedAs(false, report)
	return report, err
}

func refused(files *config.Files, diags hcl.Diagnostics) *DiagnosticsError {
	return &DiagnosticsError{Diagnostics: diags, Text: render(files, diags)}
}

func render(files *config.Files, diags hcl.Diagnostics) string {
	var b bytes.Buffer
	if err := files.Write(&b, diags, 0, false); err != nil {
		return diags.Error()
	}
	return b.String()
}

// warn logs the warnings among diagnostics.
func (a *Agent) warn(diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Severity != hcl.DiagWarning {
			continue
		}
		at := ""
		if d.Subject != nil {
			at = fmt.Sprintf("%s:%d", d.Subject.Filename, d.Subject.Start.Line)
		}
		a.log.Warn("configuration warning", "at", at, "summary", d.Summary, "detail", d.Detail)
	}
}
