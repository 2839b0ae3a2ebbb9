package config

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/proxy/router"
)

// Input is what a configuration is loaded from.
type Input struct {
	// ConfigFiles and ConfigDirs are read in this order; of a directory the
	// *.hcl and *.hcl.json files in lexical order. Both may hold policy blocks.
	ConfigFiles []string
	ConfigDirs  []string
	// Dev fills in, where nothing else is said, what makes a gateway run on a
	// developer's machine: a listener at 127.0.0.1:8080, the local agent of
	// Consul, and policies from ./policies if that exists.
	Dev bool
	// LogLevel and LogJSON are flags and win over files. The zero values leave
	// it to the files.
	LogLevel string
	LogJSON  bool
	// Policies are policy texts besides those in files.
	Policies []Source

	Options Options
}

// Load reads an agent's whole configuration. The Config is of use only when the
// diagnostics hold no error; they may hold warnings even so. Files is never
// nil.
func Load(in Input) (*Config, *Files, hcl.Diagnostics) {
	l := &loader{files: newFiles(), top: newSection(), options: &in.Options}
	for _, path := range in.ConfigFiles {
		l.add(l.files.read(path, nil))
	}
	for _, dir := range in.ConfigDirs {
		l.add(l.files.readDir(dir, nil))
	}
	c, _ := l.load(in)
	if len(c.Listeners) == 0 && len(l.top.blocks["listener"]) == 0 && !l.partial {
		l.Diags = append(l.Diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "No listener",
			Detail:   `The configuration needs at least one block listener "<name>" { address = "..." }.`,
		})
	}
	return c, l.files, l.finish()
}

// LoadPolicies reads policies alone, from files, directories and texts. It
// refuses what only an agent's configuration may hold.
func LoadPolicies(o Options, paths []string, texts ...Source) (*Policy, *Files, hcl.Diagnostics) {
	l := &loader{files: newFiles(), top: newSection(), options: &o}
	l.policyOnly = true
	for _, path := range paths {
		l.add(l.files.readPath(path, nil))
	}
	l.addTexts(texts)
	p, _ := l.policy(l.top, l.options)
	return &p, l.files, l.finish()
}

// Validate reads whatever it is given, agent configurations and policies, as
// one configuration, and returns what is wrong with it. Paths are files and
// directories. Policies that an agent's configuration names are read too.
func Validate(o Options, paths ...string) (*Files, hcl.Diagnostics) {
	return ValidateTexts(o, nil, paths...)
}

// ValidateTexts is Validate with policy texts besides what lies in paths.
func ValidateTexts(o Options, texts []Source, paths ...string) (*Files, hcl.Diagnostics) {
	_, files, diags := Inspect(o, texts, paths...)
	return files, diags
}

// Inspect is ValidateTexts and returns what was read too. It is of use only when the
// diagnostics hold no error, and not to be run: it may have no listener.
func Inspect(o Options, texts []Source, paths ...string) (*Config, *Files, hcl.Diagnostics) {
	l := &loader{files: newFiles(), top: newSection(), options: &o}
	for _, path := range paths {
		l.add(l.files.readPath(path, nil))
	}
	agent := l.top.agent()
	c, built := l.load(Input{Policies: texts})
	l.unreachable(c.Policy.Routes, built)
	if agent && len(l.top.blocks["listener"]) == 0 {
		l.Diags = append(l.Diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning,
			Summary:  "No listener",
			Detail:   `An agent does not start without a block listener "<name>" { address = "..." }.`,
		})
	}
	return c, l.files, l.finish()
}

// loader is one pass over a set of files.
type loader struct {
	reader

	files      *Files
	top        *section
	options    *Options
	policyOnly bool
}

// add puts parsed files into the section.
func (l *loader) add(bodies []hcl.Body, diags hcl.Diagnostics) {
	l.Diags = append(l.Diags, diags...)
	l.partial = l.partial || diags.HasErrors()
	for _, b := range bodies {
		l.Diags = append(l.Diags, l.top.add(b, l.options, l.policyOnly)...)
	}
}

// load reads the section, and the policies that it names.
func (l *loader) load(in Input) (*Config, *router.Router) {
	c, paths := l.agent(l.top)
	l.remote.know(c.Services)
	if in.Dev {
		l.dev(c, &paths)
	}
	whole := in.Dev || l.top.agent()
	l.noStore = whole && len(l.top.blocks["store"]) == 0
	l.noFleet = whole && (c.Consul == nil || c.Consul.Service == nil)
	l.meshKnown(c, whole)
	l.placesKnown(c, whole)
	l.listening, l.noListeners = c.Listeners, !whole
	if whole && !l.partial {
		l.acmeStorage(c, l.top.blocks["listener"])
	}
	if in.LogLevel != "" {
		c.LogLevel = l.levelFlag(in.LogLevel)
	}
	c.LogJSON = c.LogJSON || in.LogJSON

	l.policyOnly = true
	for _, p := range paths {
		var at *hcl.Range
		if p.At.Filename != "" {
			at = &p.At
		}
		l.add(l.files.readPath(p.Value, at))
	}
	l.addTexts(in.Policies)
	l.kvPrefix(c)
	var built *router.Router
	c.Policy, built = l.policy(l.top, l.options)
	return c, built
}

// dev fills in what a developer's machine has.
func (l *loader) dev(c *Config, paths *[]attr.Item) {
	if len(l.top.blocks["listener"]) == 0 {
		c.Listeners = []Listener{listenerAt("dev", defaultDevListener)}
	}
	if c.Consul == nil {
		c.Consul = &Consul{RequireServiceCheck: true, MaxStale: defaultMaxStale}
	}
	if l.top.one("policies") != nil {
		return
	}
	if info, err := os.Stat(defaultDevPolicies); err == nil && info.IsDir() {
		c.Policies.Paths = []string{defaultDevPolicies}
		*paths = append(*paths, attr.Item{Value: defaultDevPolicies})
	}
}

func (l *loader) levelFlag(s string) string {
	for _, level := range logLevels {
		if strings.EqualFold(level, s) {
			return level
		}
	}
	l.Diags = append(l.Diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Invalid log level",
		Detail:   "The flag's log level " + attr.Quoted([]string{s}) + " is not one of " + attr.Quoted(logLevels) + "." + attr.DidYouMean(strings.ToUpper(s), logLevels),
	})
	return defaultLogLevel
}

func (l *loader) finish() hcl.Diagnostics {
	for i, d := range l.Diags {
		l.Diags[i] = hideSecret(d)
	}
	return tidy(slices.DeleteFunc(l.Diags, l.remote.consequence))
}

// tidy sorts diagnostics by place, for they come in the order of checks, and
// drops those that say the same thing again.
func tidy(diags hcl.Diagnostics) hcl.Diagnostics {
	place := func(d *hcl.Diagnostic) hcl.Range {
		if d.Subject == nil {
			return hcl.Range{}
		}
		return *d.Subject
	}
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		p, q := place(a), place(b)
		return cmp.Or(
			cmp.Compare(p.Filename, q.Filename),
			cmp.Compare(p.Start.Byte, q.Start.Byte),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Summary, b.Summary),
			cmp.Compare(a.Detail, b.Detail),
		)
	})
	return slices.CompactFunc(diags, func(a, b *hcl.Diagnostic) bool {
		return place(a) == place(b) && a.Severity == b.Severity && a.Summary == b.Summary && a.Detail == b.Detail
	})
}
