package consul

import (
	"maps"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// The conditions that need a person. Each is known by a key; a service's name
// follows the first.
const (
	warnService   = "service:"
	warnAnonymous = "anonymous"
	warnAgent     = "agent"
	warnToken     = "token"
	warnMany      = "many"
)

// warnings are the conditions that hold at present, and need a person.
type warnings struct {
	log  hclog.Logger
	mu   sync.Mutex
	text map[string]string
}

func newWarnings(log hclog.Logger) *warnings {
	return &warnings{log: log, text: make(map[string]string)}
}

// set says that the condition holds. It is logged once.
func (w *warnings) set(key, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.text[key] == text {
		return
	}
	w.text[key] = text
	w.log.Warn("Consul needs attention", "reason", text)
}

// clear says that the condition no longer holds.
func (w *warnings) clear(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if text, ok := w.text[key]; ok {
		delete(w.text, key)
		w.log.Info("Consul no longer needs attention", "reason", text)
	}
}

func (w *warnings) has(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.text[key]
	return ok
}

// keys returns the conditions that hold.
func (w *warnings) keys() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.text))
}

// list returns the texts, in a constant order.
func (w *warnings) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var texts []string
	for _, key := range slices.Sorted(maps.Keys(w.text)) {
		texts = append(texts, w.text[key])
	}
	return texts
}
