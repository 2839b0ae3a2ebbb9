package agent

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/agent/fabio"
)

// tagSet is what the tags of a catalog amount to.
type tagSet struct {
	result fabio.Result
	// texts are the routes of each service.
	texts map[string]string
}

// sources are the set's routes as policy texts.
func (t *tagSet) sources() []config.Source {
	var out []config.Source
	if t == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(t.texts)) {
		out = append(out, config.Source{Name: tagSourceName(name), Text: []byte(t.texts[name]), Remote: true, Last: true})
	}
	return out
}

// tagSourceName is what the tags of a service are called in diagnostics. It is
// quoted, so that no name of a service makes it look like another kind of text.
func tagSourceName(service string) string { return fmt.Sprintf("tags of %q", service) }

// same reports whether both make the same routes.
func (t *tagSet) same(o *tagSet) bool {
	if t == nil || o == nil {
		return t == o || t == nil && len(o.texts) == 0 || o == nil && len(t.texts) == 0
	}
	return maps.Equal(t.texts, o.texts)
}

// mostChecked bounds what is remembered of routes' texts.
const mostChecked = 2 * fabio.MaxRoutes

// rebuild makes routes of tags.
func (t *tagRoutes) rebuild(a *Agent, input []fabio.Service) *tagSet {
	if len(t.checked) > mostChecked {
		clear(t.checked)
	}
	next := &tagSet{result: fabio.Build(input, t.options), texts: map[string]string{}}
	for _, r := range next.result.Routes {
		next.texts[r.Service] += r.Text()
	}
	last := t.latest.Swap(next)
	a.warnTags(last.result.Warnings, next.result.Warnings)
	return next
}
