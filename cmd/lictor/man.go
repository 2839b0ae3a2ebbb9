package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// runMan writes the manual.
func runMan(e env, args []string) int {
	fs := flag.NewFlagSet("lictor man", flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	dir := fs.String("dir", "", "`directory` to write all pages to; without it the first one is printed")
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(e.stderr, "lictor man: unexpected argument %q\n", fs.Arg(0))
		return exitUsage
	}
	all := pages()
	if *dir == "" {
		fmt.Fprint(e.stdout, manualOf(all))
		return exitOK
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil { //nolint:gosec // manuals are for all to read
		return fail(e, fmt.Errorf("writing the manual: %w", err))
	}
	texts := map[string]string{"lictor": manualOf(all)}
	for _, p := range flat(all) {
		texts[p.manual()] = p.text()
	}
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(*dir, name+".1"), []byte(text), 0o644); err != nil { //nolint:gosec // likewise
			return fail(e, fmt.Errorf("writing the manual: %w", err))
		}
	}
	return exitOK
}

// manual is the name of a command's page.
func (p *page) manual() string { return "lictor-" + strings.Join(p.name, "-") }

// manualOf is the page of the whole program, in the macros of man(7).
func manualOf(all []page) string {
	var b strings.Builder
	manHead(&b, "lictor", "gateway at the edge of a Consul datacenter")
	b.WriteString(".SH SYNOPSIS\n.B lictor\n.I command\n[arguments]\n.SH COMMANDS\n")
	for _, p := range all {
		fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s.\n", roff(p.manual()), roff(upper(p.help)))
	}
	manFoot(&b)
	b.WriteString(".SH SIGNALS\n")
	for _, s := range [][2]string{
		{"SIGTERM, SIGINT", "Drain, then exit. A second one ends at once."},
		{"SIGHUP", "Reload, and open the logs anew."},
		{"SIGUSR1", "Write all metrics to the log."},
		{"SIGUSR2", "Have the program that lies there now take over the listeners."},
	} {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", s[0], roff(s[1]))
	}
	return b.String()
}

// text is a command's page.
func (p *page) text() string {
	var b strings.Builder
	manHead(&b, p.manual(), p.help)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B lictor %s\n", roff(strings.Join(p.name, " ")))
	if p.args != "" {
		b.WriteString(roff(p.args) + "\n")
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s.\n", roff(upper(p.help)))
	if len(p.sub) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, s := range p.sub {
			fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s.\n", roff(s.manual()), roff(upper(s.help)))
		}
	}
	if len(p.flags) > 0 {
		b.WriteString(".SH OPTIONS\n")
	}
	for _, f := range p.flags {
		fmt.Fprintf(&b, ".TP\n.B %s", roff("-"+f.name))
		if f.value != "" {
			fmt.Fprintf(&b, " \\fI%s\\fR", roff(f.value))
		}
		fmt.Fprintf(&b, "\n%s", roff(upper(f.usage)))
		if f.initial != "" {
			fmt.Fprintf(&b, " (default %s)", roff(f.initial))
		}
		b.WriteString(".\n")
	}
	manFoot(&b)
	b.WriteString(".SH SEE ALSO\n.BR lictor (1)\n")
	return b.String()
}

func manHead(b *strings.Builder, name, help string) {
	fmt.Fprintf(b, ".TH %s 1 \"\" \"lictor %s\" \"Lictor\"\n.SH NAME\n%s \\- %s\n", roff(strings.ToUpper(name)), roff(version), roff(name), roff(help))
}

func manFoot(b *strings.Builder) {
	fmt.Fprintf(b, ".SH ENVIRONMENT\n.TP\n.B LICTOR_ADDR\n%s\n.TP\n.B LICTOR_TOKEN\n%s\n",
		roff("Address of the admin API that commands ask (default "+defaultAdmin+")."), roff("Its token."))
	fmt.Fprintf(b, ".SH EXIT STATUS\n%s\n", roff("0: done. 1: refused or failed. 2: wrong usage."))
}

// roff is a text for man(7): what would be read as an instruction is not.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
