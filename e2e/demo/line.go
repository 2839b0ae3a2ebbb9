package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// line is one thing to try: what it shows, what a person types, and what must
// come of it. What is typed is made from what is checked, so the two cannot part.
type line struct {
	says  string
	typed string
	// try does what the typed line does and says what is wrong with the outcome.
	try func(context.Context) error
	// settles says that the outcome may take a moment to come about (a health
	// check's interval), so that a failed try is tried again.
	settles bool
}

// defining has the line's command preceded by the value of a variable in it.
func defining(variable, value string, l line) line {
	l.typed = variable + "=" + value + "\n" + l.typed
	return l
}

// request is an HTTP request in the two shapes a line needs.
type request struct {
	method, url, host string
	// token is sent as a bearer token; a person types $TOKEN.
	token string
	// times is how often it is sent, 0 meaning once; all at once if shows is set,
	// else one after another with a pause of every.
	times int
	every time.Duration
	shows shown
}

// shown is what a line prints of each of several requests that are sent at once.
type shown string

const (
	instances shown = "-D - %s | grep -i x-instance"
	delays    shown = "-w '%%{http_code} after %%{time_total} s\\n' %s"
)

// answer is what came back for one request, and when.
type answer struct {
	status         int
	header         http.Header
	body           string
	sent, answered time.Time
}

// curl makes a line of a request and of what its answers must be.
func curl(says string, r request, expect func([]answer) error) line {
	return line{says: says, typed: r.typed(), try: func(ctx context.Context) error {
		answers, err := r.send(ctx)
		if err != nil {
			return err
		}
		return expect(answers)
	}}
}

// typed returns the shell line that a person types.
func (r request) typed() string {
	var args []string
	if r.method != "" {
		args = append(args, "-X "+r.method)
	}
	if r.host != "" {
		args = append(args, "-H 'Host: "+r.host+"'")
	}
	if r.token != "" {
		args = append(args, `-H "Authorization: Bearer $TOKEN"`)
	}
	asked := strings.Join(append(args, "'"+r.url+"'"), " ")
	pause := ""
	if r.every > 0 {
		pause = fmt.Sprintf(" sleep %g;", r.every.Seconds())
	}
	switch {
	case r.times == 0:
		return "curl -i " + asked
	case r.shows != "": // in a subshell, which says nothing of its jobs
		return fmt.Sprintf("(for i in $(seq %d); do curl -s -o /dev/null "+string(r.shows)+" & done; wait)", r.times, asked)
	default:
		return fmt.Sprintf("for i in $(seq %d); do curl -s -o /dev/null -w '%%{http_code} ' %s;%s done; echo", r.times, asked, pause)
	}
}

// send does what the typed line does.
func (r request) send(ctx context.Context) ([]answer, error) {
	answers := make([]answer, max(r.times, 1))
	errs := make([]error, len(answers))
	var wg sync.WaitGroup
	for i := range answers {
		one := func() { answers[i], errs[i] = r.once(ctx) }
		if r.shows != "" {
			wg.Go(one)
			continue
		}
		one()
		if err := pause(ctx, r.every); err != nil {
			return nil, err
		}
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}

// pause is the sleep of a typed line.
func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r request) once(ctx context.Context) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		return answer{}, fmt.Errorf("asking: %w", err)
	}
	request.Host = r.host
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	request.Close = true // as curl does: a connection of its own
	a := answer{sent: time.Now()}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("asking: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	a.answered = time.Now()
	a.status, a.header, a.body = response.StatusCode, response.Header, string(body)
	return a, nil
}

// command makes a line of a program's call; its output must contain every one of
// the given strings.
func command(says string, contains []string, program string, args ...string) line {
	return line{
		says:  says,
		typed: strings.Join(append([]string{program}, args...), " "),
		try: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			output, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, output)
			}
			for _, s := range contains {
				if !strings.Contains(string(output), s) {
					return fmt.Errorf("no %q in:\n%s", s, output)
				}
			}
			return nil
		},
	}
}

func (d *demo) show(tour []line) {
	for _, l := range tour {
		fmt.Printf("\n# %s\n%s\n", l.says, l.typed)
	}
	fmt.Printf(`
# Change a policy, save it, and the gateway takes it up without a failed request
%s

The dashboard is at http://%s/ui/ : watch it while you try these.
The logs are in %s; Consul's own pages are at http://%s/ui.
Ctrl-C ends everything and removes it.
`, d.dir+"/policies/limits.hcl", d.admin, d.dir, d.consul.Address())
}

// check tries every line in the order in which they are printed.
func check(ctx context.Context, tour []line) error {
	failed := 0
	for _, l := range tour {
		if err := l.attempt(ctx); err != nil {
			failed++
			fmt.Printf("FAIL %s\n     %s\n     %v\n", l.says, l.typed, err)
			continue
		}
		fmt.Printf("ok   %s\n", l.says)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d lines did not do what the demo says", failed, len(tour))
	}
	fmt.Printf("all %d lines do what the demo says\n", len(tour))
	return ctx.Err()
}

// attempt tries the line, again and again for a while if its outcome may take time.
func (l line) attempt(ctx context.Context) error {
	if !l.settles {
		return l.try(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := l.try(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err // not the mere end of the time, if there is better
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last
		}
	}
}
