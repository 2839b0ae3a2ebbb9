package consul

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

const (
	kvFile    = "consul-kv.json"
	kvVersion = 1
)

// kvDisk keeps the last good documents of a prefix in a file. Without a path it
// does nothing.
type kvDisk struct{ path, prefix string }

// kvDocument is the file's content.
type kvDocument struct {
	Version   int
	Prefix    string
	Index     uint64
	Documents []Document
}

// load returns what save has written, marked stale; nil when there is nothing,
// or it is of another prefix.
func (k kvDisk) load() (*Documents, error) {
	if k.path == "" {
		return nil, nil //nolint:nilnil // nothing is kept, which is no error
	}
	b, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing has been kept yet
	}
	if err != nil {
		return nil, err
	}
	var doc kvDocument
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	if doc.Version != kvVersion {
		return nil, fmt.Errorf("it has version %d, this gateway writes %d", doc.Version, kvVersion)
	}
	if doc.Prefix != k.prefix {
		return nil, nil //nolint:nilnil // the configuration is another one by now
	}
	return &Documents{Index: doc.Index, List: doc.Documents, Stale: true}, nil
}

func (k kvDisk) save(d *Documents) error {
	if k.path == "" {
		return nil
	}
	return writeDocument(k.path, kvDocument{Version: kvVersion, Prefix: k.prefix, Index: d.Index, Documents: d.List})
}
