package main

import (
	"flag"
	"io"
	"reflect"
	"strings"
)

// page is what there is to say of a command. Its help, its completion and its manual
// are all made of this.
type page struct {
	name  []string // "policies", "push"
	args  string
	help  string
	flags []flagPage
	sub   []page
}

// flagPage is one flag.
type flagPage struct {
	name, value, usage string // value is "" for one that takes none
	initial            string // "" for none to speak of
}

// pages are those of all commands.
func pages() []page {
	var all []page
	for _, c := range commands() {
		p := pageOf(nil, c)
		if c.name == "policies" {
			for _, s := range policyCommands() {
				p.sub = append(p.sub, pageOf(p.name, s))
			}
		}
		all = append(all, p)
	}
	return all
}

// flat are the pages and those below them.
func flat(all []page) []page {
	var out []page
	for _, p := range all {
		out = append(append(out, p), flat(p.sub)...)
	}
	return out
}

func pageOf(above []string, c command) page {
	p := page{name: append(append([]string(nil), above...), c.name), args: c.args, help: c.help}
	t := &flagTaker{}
	c.run(env{stdout: io.Discard, stderr: t, getenv: func(string) string { return "" }}, nil)
	if t.taken != nil {
		t.taken.VisitAll(func(f *flag.Flag) {
			value, usage := flag.UnquoteUsage(f)
			initial := f.DefValue
			if zero(f) {
				initial = ""
			}
			p.flags = append(p.flags, flagPage{f.Name, value, usage, initial})
		})
	}
	return p
}

// zero reports whether a flag's default goes without saying, as package flag has it.
func zero(f *flag.Flag) bool {
	typ := reflect.TypeOf(f.Value)
	if typ.Kind() != reflect.Pointer {
		return f.DefValue == ""
	}
	v, ok := reflect.TypeAssert[flag.Value](reflect.New(typ.Elem()))
	return ok && v.String() == f.DefValue
}

// flagTaker is where a command's errors go that is only asked for its flags: parse
// leaves them here, and the command ends.
type flagTaker struct{ taken *flag.FlagSet }

func (*flagTaker) Write(p []byte) (int, error) { return len(p), nil }

// kind is what an argument or a flag's value is completed by.
type kind int

const (
	anything kind = iota
	filesKind
	namesKind // of what the running gateway has
)

func (f *flagPage) kind() kind {
	if f.value == "file" || f.value == "directory" {
		return filesKind
	}
	return anything
}

// kind is that of the arguments.
func (p *page) kind() kind {
	switch {
	case strings.Contains(p.args, "[NAME...]"):
		return namesKind
	case len(p.sub) == 0 && (strings.Contains(p.args, "PATH") || strings.HasSuffix(p.args, "DIR")):
		return filesKind
	}
	return anything
}

// words are those that may stand as the first argument.
func (p *page) words() []string {
	var out []string
	for _, s := range p.sub {
		out = append(out, s.name[len(s.name)-1])
	}
	if p.name[0] == "completion" {
		for _, s := range shells() {
			out = append(out, s.name)
		}
	}
	return out
}
