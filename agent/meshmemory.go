package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// meshMemoryName is the file in data_dir that lists the services which have been
// seen to offer the mesh, so that none is spoken to in clear after a restart
// because its sidecars happen to be gone.
const meshMemoryName = "mesh-offered.json"

// meshMemory keeps the list. The zero value remembers nothing.
type meshMemory struct{ path string }

func newMeshMemory(dir string) meshMemory {
	if dir == "" {
		return meshMemory{}
	}
	return meshMemory{path: filepath.Join(dir, meshMemoryName)}
}

// load returns the services; none where the file is absent.
func (m meshMemory) load() (map[string]bool, error) {
	offered := make(map[string]bool)
	if m.path == "" {
		return offered, nil
	}
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return offered, nil
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(text, &names)
	}
	if err != nil {
		return nil, fmt.Errorf("reading which services offer the mesh: %s: %w", m.path, err)
	}
	for _, n := range names {
		offered[n] = true
	}
	return offered, nil
}

// save replaces the file as a whole.
func (m meshMemory) save(offered map[string]bool) error {
	if m.path == "" {
		return nil
	}
	text, err := json.Marshal(slices.Sorted(maps.Keys(offered)))
	if err != nil {
		return fmt.Errorf("writing which services offer the mesh: %w", err)
	}
	dir := filepath.Dir(m.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("writing which services offer the mesh: %w", err)
	}
	f, err := os.CreateTemp(dir, "."+meshMemoryName+"-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing which services offer the mesh: %w", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), m.path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing which services offer the mesh: %w", err), os.Remove(f.Name()))
	}
	return nil
}
