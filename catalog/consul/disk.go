package consul

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/catalog"
)

const (
	// saveInterval is how soon a change is on disk.
	saveInterval = 5 * time.Second
	// touchInterval is how often a catalog that does not change is written all
	// the same, so that its age is true after a crash.
	touchInterval = 5 * time.Minute

	storeName    = "consul-catalog.json"
	storeVersion = 1
)

// saved is one service as it was last known.
type saved struct {
	service   *catalog.Service
	confirmed time.Time // when Consul last confirmed it
}

// document is the file's content.
type document struct {
	Version  int
	Here     place
	Services []savedService
}

type savedService struct {
	Name       string
	Index      uint64
	Exists     bool   `json:",omitempty"`
	Datacenter string `json:",omitempty"`
	Confirmed  time.Time
	Instances  []catalog.Instance
}

// store keeps the last good catalog in a file, for a start while Consul is
// away. Without a directory it does nothing.
type store struct {
	path string
	log  hclog.Logger

	mu      sync.Mutex // held while writing
	written time.Time
	failing bool
}

func newStore(dir string, log hclog.Logger) *store {
	s := &store{log: log}
	if dir != "" {
		s.path = filepath.Join(dir, storeName)
	}
	return s
}

// loaded is what a former run left.
type loaded struct {
	here     place
	services map[string]*saved
}

// load reads the file. Every service is marked stale. A file that is absent or
// broken is no catalog. Addresses are judged again: the gateway may listen
// elsewhere by now.
func (s *store) load(own func(netip.AddrPort) bool) loaded {
	var l loaded
	if s.path == "" {
		return l
	}
	doc, err := readDocument(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l
	}
	if err != nil {
		s.log.Warn("last good catalog can't be used", "path", s.path, "error", err)
		return l
	}
	l.here = doc.Here
	l.services = make(map[string]*saved, len(doc.Services))
	for _, v := range doc.Services {
		for i := range v.Instances {
			in := &v.Instances[i]
			reach := catalog.Reach{Local: in.Local, Own: own}
			if in.Eligible() && in.Socket == "" {
				in.Ineligible = reach.RefuseHost(in.Address, in.Port)
			}
			for name, port := range in.Ports {
				if reach.RefuseHost(in.Address, port) != "" {
					delete(in.Ports, name)
				}
			}
		}
		slices.SortFunc(v.Instances, func(a, b catalog.Instance) int { return cmp.Compare(a.Key, b.Key) })
		l.services[v.Name] = &saved{
			service: &catalog.Service{
				Name: v.Name, Index: v.Index, Exists: v.Exists, Datacenter: v.Datacenter, Instances: v.Instances, Stale: true,
			},
			confirmed: v.Confirmed,
		}
	}
	return l
}

func readDocument(path string) (document, error) {
	var doc document
	b, err := os.ReadFile(path)
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return doc, fmt.Errorf("decoding: %w", err)
	}
	if doc.Version != storeVersion {
		return doc, fmt.Errorf("it has version %d, this gateway writes %d", doc.Version, storeVersion)
	}
	return doc, nil
}

// due reports whether a catalog without changes should be written again.
func (s *store) due(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.path != "" && !s.written.IsZero() && now.Sub(s.written) >= touchInterval
}

// save writes the services; an older state than the one on disk is dropped.
func (s *store) save(now time.Time, here place, services map[string]*saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.path == "" || now.Before(s.written) {
		return
	}
	doc := document{Version: storeVersion, Here: here}
	for name, v := range services {
		doc.Services = append(doc.Services, savedService{
			Name: name, Index: v.service.Index, Exists: v.service.Exists, Datacenter: v.service.Datacenter,
			Confirmed: v.confirmed, Instances: v.service.Instances,
		})
	}
	slices.SortFunc(doc.Services, func(a, b savedService) int { return cmp.Compare(a.Name, b.Name) })
	err := writeDocument(s.path, doc)
	if err != nil && !s.failing {
		s.log.Warn("last good catalog can't be written", "path", s.path, "error", err)
	}
	s.failing = err != nil
	s.written = now
}

// writeDocument replaces the file as a whole: a reader, or a start after a
// crash, sees the old content or the new.
func writeDocument(path string, doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing: %w", err), os.Remove(f.Name()))
	}
	return nil
}
