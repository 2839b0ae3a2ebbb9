package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/lictor/lictor/agent"
)

const defaultAdmin = "http://127.0.0.1:9980"

// client speaks to a running gateway's admin API.
type client struct {
	base, token string
	http        http.Client
}

// connect parses the flags that all such commands share. json tells whether
// -json was given.
func connect(e env, name string, args []string) (c *client, asJSON bool, code int, ok bool) {
	fs := flag.NewFlagSet("lictor "+name, flag.ContinueOnError)
	c, asJSON, code, ok = connectWith(e, fs, args)
	if ok && fs.NArg() > 0 {
		fmt.Fprintf(e.stderr, "lictor %s: unexpected argument %q\n", name, fs.Arg(0))
		return nil, false, exitUsage, false
	}
	return c, asJSON, code, ok
}

// connectWith is connect for a command that has flags of its own, and perhaps
// arguments.
func connectWith(e env, fs *flag.FlagSet, args []string) (c *client, asJSON bool, code int, ok bool) {
	fs.SetOutput(e.stderr)
	address := fs.String("address", "", "admin `address` of the gateway (LICTOR_ADDR, default "+defaultAdmin+")")
	fs.BoolVar(&asJSON, "json", false, "print the answer as it came")
	if code, ok := parse(fs, args); !ok {
		return nil, false, code, false
	}
	base := *address
	if base == "" {
		base = e.getenv("LICTOR_ADDR")
	}
	if base == "" {
		base = defaultAdmin
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	return &client{
		base: strings.TrimSuffix(base, "/"), token: e.getenv("LICTOR_TOKEN"),
		http: http.Client{Timeout: time.Minute},
	}, asJSON, exitOK, true
}

// call asks the gateway and decodes the answer. An answer of 422 is decoded
// too: it says why something was refused.
func (c *client) call(method, path string, into any) ([]byte, error) {
	req, err := http.NewRequest(method, c.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	return c.do(req, into)
}

// post is call with a body of JSON.
func (c *client) post(path string, body, into any) ([]byte, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, c.base+path, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.do(req, into)
}

func (c *client) do(req *http.Request, into any) ([]byte, error) {
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s can't be reached, is the gateway running? %w", c.base, unwrapped(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", c.base, err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusUnprocessableEntity {
		return nil, refusal(resp, c.base, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return nil, fmt.Errorf("%s does not answer as a gateway does: %w", c.base, err)
	}
	return body, nil
}

// unwrapped takes the method and the URL off a client's error.
func unwrapped(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// refusal tells of an answer that is none to the question.
func refusal(resp *http.Response, base string, body []byte) error {
	text := resp.Status + " from " + base
	var problem struct{ Title string }
	if json.Unmarshal(body, &problem) == nil && problem.Title != "" {
		text += ": " + problem.Title
	}
	if resp.StatusCode == http.StatusUnauthorized {
		text += " (in LICTOR_TOKEN)"
	}
	if resp.StatusCode == http.StatusBadRequest {
		return questionError(strings.TrimSuffix(problem.Title, "."))
	}
	return errors.New(text)
}

// questionError says what is wrong with what was asked.
type questionError string

func (e questionError) Error() string { return string(e) }

var errRefused = errors.New("the reload was refused, the previous configuration stays")

func runReload(e env, args []string) int {
	c, asJSON, code, ok := connect(e, "reload", args)
	if !ok {
		return code
	}
	var answer struct {
		OK bool `json:"ok"`
		agent.ReloadReport
	}
	body, err := c.call(http.MethodPut, "/v1/reload", &answer)
	if err != nil {
		return fail(e, err)
	}
	if asJSON {
		_, _ = e.stdout.Write(body) // nothing is left to do about it
	} else {
		fmt.Fprint(e.stderr, answer.Diagnostics)
		for _, n := range answer.Notes {
			fmt.Fprintf(e.stderr, "Note: %s\n", n)
		}
	}
	if !answer.OK {
		return fail(e, errRefused)
	}
	if !asJSON {
		fmt.Fprintf(e.stdout, "Reloaded: generation %d serves.\n", answer.Generation)
	}
	return exitOK
}

// show runs a command that prints one answer as tables or as JSON, once or again and
// again. Arguments are the names to show, of the first column of each table.
func show[T any](e env, name, path string, args []string, tables func(v *T) []*grid) int {
	fs := flag.NewFlagSet("lictor "+name, flag.ContinueOnError)
	watching := fs.Bool("watch", false, "print anew at every interval, until Ctrl-C; a terminal shows it in place")
	interval := fs.Duration("interval", 2*time.Second, "`time` between two looks with -watch, at least "+leastInterval.String())
	c, asJSON, code, ok := connectWith(e, fs, args)
	if !ok {
		return code
	}
	if *interval < leastInterval {
		fmt.Fprintf(e.stderr, "lictor %s: -interval is at least %v\n", name, leastInterval)
		return exitUsage
	}
	for _, pattern := range fs.Args() {
		if _, err := filepath.Match(pattern, ""); err != nil {
			fmt.Fprintf(e.stderr, "lictor %s: %q is no name, nor a pattern such as 'web-*'\n", name, pattern)
			return exitUsage
		}
	}
	look := func() (view, error) {
		var answer T
		body, err := c.call(http.MethodGet, path, &answer)
		if err != nil {
			return view{}, err
		}
		if asJSON {
			return view{json: body}, nil
		}
		all := tables(&answer)
		for _, g := range all {
			g.only(fs.Args())
		}
		return view{tables: all}, nil
	}
	if *watching {
		return watch(e, look, "lictor "+name+" of "+c.base, *interval)
	}
	v, err := look()
	if err != nil {
		return fail(e, err)
	}
	v.write(e.stdout)
	return exitOK
}
