package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
)

// Source is configuration text that is no file, such as an entry of Consul's
// KV store.
type Source struct {
	// Name stands in diagnostics where a file's path would. A name that ends in
	// ".json" makes the text JSON.
	Name string
	Text []byte
	// Remote says that it lies where others write, such as in Consul: it may name
	// no file of this machine, and no file may refer to what it defines.
	Remote bool
	// Last says that whoever wrote it has no say over other policies: its routes
	// are asked only once no other covers a request (see router.Rule). One whose name
	// another route has is left out, and so is one to a static service.
	Last bool
}

// Files is what was read for one configuration. It renders diagnostics with
// their lines.
type Files struct {
	parser *hclparse.Parser
	seen   map[string]bool // by absolute path
	names  []string
	dirs   []string
}

func newFiles() *Files {
	return &Files{parser: hclparse.NewParser(), seen: map[string]bool{}}
}

// Names returns the files that were read, in their order.
func (f *Files) Names() []string { return slices.Clone(f.names) }

// Dirs returns the directories that were listed. A file that appears in one of
// them would be read the next time.
func (f *Files) Dirs() []string { return slices.Clone(f.dirs) }

// Write renders diagnostics, each with its line, for a terminal of the width;
// width 0 doesn't wrap.
func (f *Files) Write(w io.Writer, diags hcl.Diagnostics, width uint, color bool) error {
	return hcl.NewDiagnosticTextWriter(w, f.parser.Files(), width, color).WriteDiagnostics(diags)
}

// read parses the file, unless it was read before: an agent file that lies in a
// directory of policies is no policy file.
func (f *Files) read(path string, asked *hcl.Range) (bodies []hcl.Body, diags hcl.Diagnostics) {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	if f.seen[abs] {
		return nil, nil
	}
	f.seen[abs] = true
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, hcl.Diagnostics{unreadable(path, err, asked)}
	}
	f.names = append(f.names, path)
	return f.parse(Source{Name: path, Text: text})
}

func (f *Files) parse(s Source) ([]hcl.Body, hcl.Diagnostics) {
	asJSON := strings.HasSuffix(s.Name, ".json")
	if deep := checkNesting(s, asJSON); deep.HasErrors() {
		return nil, deep
	}
	var file *hcl.File
	var diags hcl.Diagnostics
	if asJSON {
		file, diags = f.parser.ParseJSON(s.Text, s.Name)
	} else {
		file, diags = f.parser.ParseHCL(s.Text, s.Name)
	}
	if file != nil && file.Body != nil && !diags.HasErrors() {
		diags = append(diags, wildNumbers(file, s.Name)...)
	}
	if file == nil || file.Body == nil || diags.HasErrors() {
		return nil, diags // what is left of it would only be misread
	}
	return []hcl.Body{file.Body}, diags
}

// readPath parses a file, or the configuration files of a directory in lexical
// order. Subdirectories aren't entered.
func (f *Files) readPath(path string, asked *hcl.Range) ([]hcl.Body, hcl.Diagnostics) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, hcl.Diagnostics{unreadable(path, err, asked)}
	}
	if info.IsDir() {
		return f.readDir(path, asked)
	}
	return f.read(path, asked)
}

func (f *Files) readDir(dir string, asked *hcl.Range) (bodies []hcl.Body, diags hcl.Diagnostics) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, hcl.Diagnostics{unreadable(dir, err, asked)}
	}
	f.dirs = append(f.dirs, dir)
	for _, e := range entries {
		if !IsConfigFile(e.Name()) || e.IsDir() {
			continue
		}
		more, bad := f.read(filepath.Join(dir, e.Name()), asked)
		bodies, diags = append(bodies, more...), append(diags, bad...)
	}
	return bodies, diags
}

// IsConfigFile reports whether a directory's entry is read. Hidden files, and what
// editors leave behind, are not.
func IsConfigFile(name string) bool {
	return !strings.HasPrefix(name, ".") && (strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json"))
}

func unreadable(path string, err error, asked *hcl.Range) *hcl.Diagnostic {
	if bad, ok := errors.AsType[*fs.PathError](err); ok {
		err = bad.Err // the path is in the summary
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Can't read " + path,
		Detail:   attr.Sentence(err),
		Subject:  asked,
	}
}
