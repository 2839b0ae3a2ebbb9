package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
)

// folder is what lies in a directory of policies: texts by their path below it,
// with slashes. They are the keys without the prefix.
type folder map[string][]byte

// readFolder reads the policy files below a directory: those that a gateway would
// read by their names, and any whose key exists. Hidden ones are left out, and so
// is what links lead to outside of the directory.
func readFolder(dir string, exists func(name string) bool) (folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading policies: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing is lost
	out := folder{}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != "." && strings.HasPrefix(entry.Name(), ".")
		if entry.IsDir() {
			if hidden {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !config.IsConfigFile(entry.Name()) && !exists(name) {
			return nil
		}
		text, err := root.ReadFile(name)
		if err != nil {
			return err
		}
		out[name] = text
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading policies in %s: %w", dir, err)
	}
	return out, nil
}

// names returns the paths, sorted.
func (f folder) names() []string {
	out := make([]string, 0, len(f))
	for name := range f {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// unsafeName says why a key can't be a file below a directory, "" when it can.
// Whoever may write keys must not choose where this command writes.
func unsafeName(name string) string {
	switch {
	case !fs.ValidPath(name) || name == "." || !filepath.IsLocal(filepath.FromSlash(name)):
		return "it would lie outside of the directory, or is no path"
	case strings.HasPrefix(name, ".") || strings.Contains(name, "/."):
		return "it would be hidden"
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }):
		return "it has control characters or backslashes"
	}
	return ""
}

// writeFolder writes documents as files below a directory, and returns the paths
// of those that were not the same already. Unless force is set it overwrites
// nothing. Either nothing is wrong with any of them, or none is written.
func writeFolder(dir string, documents []consul.Document, relative func(key string) string, force bool) (written []string, err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("writing policies: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("writing policies: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing is lost
	var todo []consul.Document
	var errs []error
	for _, d := range documents {
		name := relative(d.Key)
		if why := unsafeName(name); why != "" {
			errs = append(errs, fmt.Errorf("the key %q can't be a file: %s", d.Key, why))
			continue
		}
		there, err := root.ReadFile(name)
		switch {
		case err == nil && bytes.Equal(there, d.Text):
			continue
		case err == nil && !force:
			errs = append(errs, fmt.Errorf("%s differs from the key %q: -force overwrites it", filepath.Join(dir, name), d.Key))
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Join(dir, name), err))
		default:
			todo = append(todo, d)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for _, d := range todo {
		name := relative(d.Key)
		if err := replaceFile(root, name, d.Text); err != nil {
			return written, fmt.Errorf("writing %s: %w", filepath.Join(dir, name), err)
		}
		written = append(written, name)
	}
	return written, nil
}

// replaceFile writes a file below root as a whole: a reader sees the old text or
// the new.
func replaceFile(root *os.Root, name string, text []byte) error {
	if err := root.MkdirAll(path.Dir(name), 0o750); err != nil {
		return err
	}
	temporary := path.Join(path.Dir(name), ".pull-"+path.Base(name))
	f, err := root.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return nil
}
