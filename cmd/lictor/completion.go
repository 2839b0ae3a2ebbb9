package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// shell is one that can complete the program's commands.
type shell struct {
	name, install string
	script        func([]page) string
}

func shells() []shell {
	return []shell{
		{"bash", "source <(lictor completion bash)", bashCompletion},
		{"zsh", "lictor completion zsh > \"${fpath[1]}/_lictor\"", zshCompletion},
		{"fish", "lictor completion fish > ~/.config/fish/completions/lictor.fish", fishCompletion},
	}
}

// runCompletion prints a script for a shell. Scripts ask it for names, too.
func runCompletion(e env, args []string) int {
	fs := flag.NewFlagSet("lictor completion", flag.ContinueOnError)
	fs.SetOutput(e.stderr)
	if code, ok := parse(fs, args); !ok {
		return code
	}
	if fs.NArg() == 2 && fs.Arg(0) == "names" {
		for _, name := range names(e, fs.Arg(1)) {
			fmt.Fprintln(e.stdout, name)
		}
		return exitOK
	}
	for _, s := range shells() {
		if fs.NArg() == 1 && fs.Arg(0) == s.name {
			fmt.Fprint(e.stdout, s.script(pages()))
			return exitOK
		}
	}
	fmt.Fprintln(e.stderr, "lictor completion: give a shell:")
	for _, s := range shells() {
		fmt.Fprintf(e.stderr, "  %-5s %s\n", s.name, s.install)
	}
	return exitUsage
}

// names are those that the running gateway has of "routes", "services" or "limits". A
// shell waits for them, so none are as good as an error.
func names(e env, what string) []string {
	c, _, _, ok := connectWith(env{stdout: e.stdout, stderr: io.Discard, getenv: e.getenv}, flag.NewFlagSet("", flag.ContinueOnError), nil)
	if !ok {
		return nil
	}
	body, err := c.fetch(context.Background(), "/v1/"+what, time.Second)
	if err != nil {
		return nil
	}
	var answer map[string]json.RawMessage
	var list []struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(body, &answer) != nil || json.Unmarshal(answer[what], &list) != nil {
		return nil
	}
	var out []string
	for _, l := range list {
		if name := strings.Map(printable, l.Name); !strings.ContainsAny(name, " \t'\"\\$`") {
			out = append(out, name)
		}
	}
	return out
}

// bashCompletion is for bash 4 and later, without the package bash-completion.
func bashCompletion(all []page) string {
	var b strings.Builder
	b.WriteString("# Completion of lictor for bash, made by: lictor completion bash\n_lictor() {\n")
	b.WriteString("  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words='' files='' names=''\n  COMPREPLY=()\n")
	fmt.Fprintf(&b, "  if ((COMP_CWORD == 1)); then\n    COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n    return\n  fi\n", strings.Join(firstWords(all), " "))
	b.WriteString("  if ((COMP_CWORD > 2)); then\n    case $command in\n")
	for _, p := range all {
		if len(p.sub) > 0 {
			fmt.Fprintf(&b, "    %s) command=\"$command ${COMP_WORDS[2]}\" ;;\n", p.name[0])
		}
	}
	b.WriteString("    esac\n  fi\n  case $command in\n")
	for _, p := range flat(all) {
		fmt.Fprintf(&b, "  %s)\n", shellQuoted(strings.Join(p.name, " ")))
		var withFile, withValue, flags []string
		for _, f := range p.flags {
			flags = append(flags, "-"+f.name)
			switch {
			case f.kind() == filesKind:
				withFile = append(withFile, "-"+f.name)
			case f.value != "":
				withValue = append(withValue, "-"+f.name)
			}
		}
		if len(withFile)+len(withValue) > 0 {
			b.WriteString("    case $prev in\n")
			if len(withFile) > 0 {
				fmt.Fprintf(&b, "    %s) files=1 ;;\n", strings.Join(withFile, "|"))
			}
			if len(withValue) > 0 {
				fmt.Fprintf(&b, "    %s) return ;;\n", strings.Join(withValue, "|"))
			}
			b.WriteString("    esac\n")
		}
		fmt.Fprintf(&b, "    words='%s'\n", strings.Join(append(flags, p.words()...), " "))
		switch p.kind() {
		case filesKind:
			b.WriteString("    [[ $cur == -* ]] || files=1\n")
		case namesKind:
			fmt.Fprintf(&b, "    [[ $cur == -* ]] || names=%s\n", p.name[0])
		}
		b.WriteString("    ;;\n")
	}
	b.WriteString(`  esac
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$cur"))
    return
  fi
  [[ -z $names ]] || words="$words $("${COMP_WORDS[0]}" completion names "$names" 2>/dev/null)"
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _lictor lictor
`)
	return b.String()
}

// firstWords are the names of the commands.
func firstWords(all []page) []string {
	var out []string
	for _, p := range all {
		out = append(out, p.name[0])
	}
	return out
}

func zshCompletion(all []page) string {
	var b strings.Builder
	b.WriteString("#compdef lictor\n# Completion of lictor for zsh, made by: lictor completion zsh\n_lictor() {\n  local -a commands\n  local command=$words[2]\n  if ((CURRENT == 2)); then\n    commands=(\n")
	for _, p := range all {
		fmt.Fprintf(&b, "      %s\n", shellQuoted(p.name[0]+":"+p.help))
	}
	b.WriteString("    )\n    _describe command commands\n    return\n  fi\n  if ((CURRENT > 3)); then\n    case $command in\n")
	for _, p := range all {
		if len(p.sub) > 0 {
			fmt.Fprintf(&b, "    %s) command=\"$command $words[3]\" ;;\n", p.name[0])
		}
	}
	b.WriteString("    esac\n  fi\n  case $command in\n")
	for _, p := range flat(all) {
		fmt.Fprintf(&b, "  %s)\n    _arguments -S", shellQuoted(strings.Join(p.name, " ")))
		for _, f := range p.flags {
			text := "*-" + f.name + "[" + zshText(f.usage) + "]"
			if f.value != "" {
				text += ":" + zshText(f.value) + ":"
				if f.kind() == filesKind {
					text += "_files"
				}
			}
			fmt.Fprintf(&b, " \\\n      %s", shellQuoted(text))
		}
		switch w := p.words(); {
		case len(w) > 0:
			fmt.Fprintf(&b, " \\\n      %s", shellQuoted("*:word:("+strings.Join(w, " ")+")"))
		case p.kind() == filesKind:
			b.WriteString(" \\\n      '*:file:_files'")
		case p.kind() == namesKind:
			fmt.Fprintf(&b, " \\\n      %s", shellQuoted("*:name:($(lictor completion names "+p.name[0]+" 2>/dev/null))"))
		}
		b.WriteString("\n    ;;\n")
	}
	b.WriteString("  esac\n}\nif [[ $funcstack[1] == _lictor ]]; then\n  _lictor \"$@\"\nelse\n  compdef _lictor lictor\nfi\n")
	return b.String()
}

// zshText keeps a text from being read as the grammar around it.
func zshText(s string) string {
	return strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`).Replace(s)
}

func fishCompletion(all []page) string {
	var b strings.Builder
	b.WriteString("# Completion of lictor for fish, made by: lictor completion fish\ncomplete -c lictor -f\n")
	first := strings.Join(firstWords(all), " ")
	for _, p := range all {
		fmt.Fprintf(&b, "complete -c lictor -n 'not __fish_seen_subcommand_from %s' -a %s -d %s\n", first, p.name[0], shellQuoted(p.help))
	}
	for _, p := range flat(all) {
		var when []string
		for _, n := range p.name {
			when = append(when, "__fish_seen_subcommand_from "+n)
		}
		condition := shellQuoted(strings.Join(when, "; and "))
		for _, w := range p.words() {
			fmt.Fprintf(&b, "complete -c lictor -n %s -a %s\n", condition, w)
		}
		for _, f := range p.flags {
			more := ""
			switch {
			case f.kind() == filesKind:
				more = " -r -F"
			case f.value != "":
				more = " -x"
			}
			fmt.Fprintf(&b, "complete -c lictor -n %s -o %s%s -d %s\n", condition, f.name, more, shellQuoted(f.usage))
		}
		switch p.kind() {
		case filesKind:
			fmt.Fprintf(&b, "complete -c lictor -n %s -F\n", condition)
		case namesKind:
			fmt.Fprintf(&b, "complete -c lictor -n %s -a '(lictor completion names %s 2>/dev/null)'\n", condition, p.name[0])
		}
	}
	return b.String()
}

// shellQuoted is a text as one word of a shell.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
