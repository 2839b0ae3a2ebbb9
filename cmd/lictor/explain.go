package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/lictor/lictor/agent"
)

// runExplain asks the running gateway what would become of a request. The exit code
// says whether it would reach an instance.
func runExplain(e env, args []string) int {
	fs := flag.NewFlagSet("lictor explain", flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprint(e.stderr, "Usage of lictor explain: lictor explain [FLAGS] URL\n")
		fs.PrintDefaults()
		fmt.Fprint(e.stderr, "Exit code 0: the request would reach an instance; 1: it would not; 2: wrong usage.\n")
	}
	var q agent.ExplainRequest
	fs.StringVar(&q.Method, "method", http.MethodGet, "`method` of the request")
	fs.Var((*list)(&q.Headers), "header", "`field` of the request, as in 'X-Beta: 1'; repeats")
	tokenFile := fs.String("token-file", "", "`file` with the bearer token of the request")
	fs.StringVar(&q.From, "from", "", "`address` that the connection comes from (default 127.0.0.1)")
	fs.StringVar(&q.Source, "source", "", "`service` of the mesh that asks, at a listener in the mesh (default: tell of each that an intention names)")
	fs.StringVar(&q.Listener, "listener", "", "`name` of the listener that it comes in by (default: by the URL)")
	fs.BoolVar(&q.Reveal, "reveal", false, "show what says who the client is, such as all claims of its token")
	c, asJSON, code, ok := connectWith(e, fs, args)
	if !ok {
		return code
	}
	if fs.NArg() != 1 {
		fmt.Fprintln(e.stderr, "lictor explain: give one URL, after the flags")
		return exitUsage
	}
	q.URL = fs.Arg(0)
	if *tokenFile != "" {
		raw, err := os.ReadFile(*tokenFile)
		if err != nil {
			return fail(e, err)
		}
		q.Token = strings.TrimSpace(string(raw))
	}
	var answer agent.ExplainAnswer
	body, err := c.post("/v1/explain", &q, &answer)
	_, wrong := errors.AsType[questionError](err)
	switch {
	case wrong:
		fmt.Fprintf(e.stderr, "lictor explain: %v\n", err)
		return exitUsage
	case err != nil:
		return fail(e, err)
	case asJSON:
		_, _ = e.stdout.Write(body) // nothing is left to do about it
	default:
		t := tree{colour: plainly(e) == "" && terminal(e.stdout), width: columns(e)}
		t.write(e.stdout, explained(&answer))
	}
	if !answer.Outcome.Reaches {
		return exitFailed
	}
	return exitOK
}

// columns is how wide the terminal is, 0 for output that nobody wraps.
func columns(e env) int {
	const usual, least = 100, 40
	if n, err := strconv.Atoi(e.getenv("COLUMNS")); err == nil && n > 0 {
		return max(n, least)
	}
	if terminal(e.stdout) {
		return usual
	}
	return 0
}
