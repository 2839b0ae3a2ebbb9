package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Bounds of what a bundle is made of.
const (
	leastDebug  = time.Second
	mostDebug   = time.Hour
	mostAnswer  = 256 << 20       // bytes of one file
	mostTrace   = 5 * time.Second // traces grow by megabytes a second
	debugAnswer = 10 * time.Second
)

// debugFlags are what lictor debug is asked.
type debugFlags struct {
	duration, interval time.Duration
	output             string
	pprof              bool
}

// runDebug writes a bundle for whoever helps: what the gateway is and does, over a
// time, without any secret.
func runDebug(e env, args []string) int {
	fs := flag.NewFlagSet("lictor debug", flag.ContinueOnError)
	var f debugFlags
	fs.DurationVar(&f.duration, "duration", 30*time.Second, "`time` to watch the gateway for, from 1s to 1h")
	fs.DurationVar(&f.interval, "interval", 5*time.Second, "`time` between two looks at routes, services, limits and metrics")
	fs.StringVar(&f.output, "output", "", "`file` to write, which must not be there yet (default: lictor-debug-TIME.tar.gz)")
	fs.BoolVar(&f.pprof, "pprof", true, "profile the gateway, which costs it some percent of a processor meanwhile")
	c, asJSON, code, ok := connectWith(e, fs, args)
	switch {
	case !ok:
		return code
	case fs.NArg() > 0:
		fmt.Fprintf(e.stderr, "lictor debug: unexpected argument %q\n", fs.Arg(0))
		return exitUsage
	case f.duration < leastDebug || f.duration > mostDebug:
		fmt.Fprintf(e.stderr, "lictor debug: -duration is from %v to %v\n", leastDebug, mostDebug)
		return exitUsage
	case f.interval < leastInterval || f.interval > f.duration:
		fmt.Fprintf(e.stderr, "lictor debug: -interval is from %v to -duration\n", leastInterval)
		return exitUsage
	}
	ctx, stop := interruptible()
	defer stop()
	if err := f.debug(ctx, e, c, asJSON); err != nil {
		return fail(e, err)
	}
	return exitOK
}

// debug writes the bundle. Ctrl-C ends it early, with what there is.
func (f *debugFlags) debug(ctx context.Context, e env, c *client, asJSON bool) error {
	c.http.Timeout = 0 // each question has its own
	if _, err := c.fetch(ctx, "/v1/health", debugAnswer); err != nil {
		return err
	}
	begun := time.Now().UTC()
	name := "lictor-debug-" + begun.Format("20060102T150405Z")
	if f.output == "" {
		f.output = name + ".tar.gz"
	}
	b, err := newBundle(f.output, name, time.Now)
	if err != nil {
		return err
	}
	b.secret = c.token
	b.index = bundleIndex{
		Gateway: c.base, Tool: version, Begun: begun, Duration: f.duration.String(), Interval: f.interval.String(),
		Files: []bundleFile{}, Failures: []bundleError{},
	}
	fmt.Fprintf(e.stderr, "Watching %s for %v, with a look every %v. Ctrl-C ends it early.\n", c.base, f.duration, f.interval)
	f.capture(ctx, c, b)
	b.index.Early = ctx.Err() != nil
	if err := b.close(); err != nil {
		return err
	}
	if asJSON {
		printJSON(e.stdout, b.index)
	} else {
		b.list(e.stdout)
		fmt.Fprintf(e.stdout, "\nWrote %s: %d files.\n", f.output, len(b.index.Files)+1)
	}
	for _, failure := range b.index.Failures {
		fmt.Fprintf(e.stderr, "missing or cut short: %s: %s\n", failure.Name, failure.Error)
	}
	if len(b.index.Failures) > 0 {
		return fmt.Errorf("the bundle lacks %d things, which its index.json tells", len(b.index.Failures))
	}
	return nil
}

// capture asks for everything. It returns when all has been answered.
func (f *debugFlags) capture(ctx context.Context, c *client, b *bundle) {
	b.putJSON("host.json", factsOfHost())
	b.putJSON("tool.json", map[string]string{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
	for _, name := range []string{"health", "config", "policies"} {
		text, err := c.fetch(ctx, "/v1/"+name, debugAnswer)
		b.put(name+".json", text, err)
	}
	watched, stop := context.WithTimeout(ctx, f.duration)
	defer stop()
	var all sync.WaitGroup
	take := func(name, path string, within time.Duration) {
		all.Go(func() {
			text, err := c.fetch(ctx, path, within)
			if ctx.Err() != nil {
				err = errors.Join(errEarly, err)
			}
			b.put(name, text, err)
		})
	}
	all.Go(func() {
		text, err := c.stream(watched, "/v1/monitor?log_level=debug")
		b.put("gateway.log", text, err)
	})
	if f.pprof {
		seconds := max(int(f.duration/time.Second)-1, 1)
		take("pprof/profile.pb.gz", fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), f.duration+debugAnswer)
		take("pprof/trace.out", fmt.Sprintf("/debug/pprof/trace?seconds=%d", min(seconds, int(mostTrace/time.Second))), f.duration+debugAnswer)
		f.stacks(ctx, c, b, "begin")
	}
	f.looks(ctx, watched, c, b)
	all.Wait()
	if f.pprof && ctx.Err() == nil {
		f.stacks(ctx, c, b, "end")
	}
}

var errEarly = errors.New("the bundle was ended early")

// stacks takes what a profile has at one moment.
func (f *debugFlags) stacks(ctx context.Context, c *client, b *bundle, when string) {
	for name, path := range map[string]string{
		"heap.pb.gz": "heap", "allocs.pb.gz": "allocs", "goroutine.txt": "goroutine?debug=2", "mutex.pb.gz": "mutex", "block.pb.gz": "block",
	} {
		text, err := c.fetch(ctx, "/debug/pprof/"+path, debugAnswer)
		b.put("pprof/"+when+"-"+name, text, err)
	}
}

// looks takes what changes, again and again until watched is done, and then once more.
func (f *debugFlags) looks(ctx, watched context.Context, c *client, b *bundle) {
	tick := time.NewTicker(f.interval)
	defer tick.Stop()
	for n, last := 0, false; ; n++ {
		for name, path := range map[string]string{
			"routes.json": "routes", "services.json": "services", "limits.json": "limits", "ready.json": "ready", "metrics.txt": "metrics",
		} {
			text, err := c.fetch(ctx, "/v1/"+path, debugAnswer)
			b.put(fmt.Sprintf("%03d/%s", n, name), text, err)
		}
		if last || ctx.Err() != nil {
			return
		}
		select {
		case <-watched.Done():
			last = true
		case <-tick.C:
		}
	}
}

// fetch asks the gateway for something that is not looked into. A gateway that is not
// ready says so with 503.
func (c *client) fetch(ctx context.Context, path string, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	resp, err := c.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return body, fmt.Errorf("reading the answer of %s: %w", c.base, err)
	}
	if resp.StatusCode != http.StatusOK && (path != "/v1/ready" || resp.StatusCode != http.StatusServiceUnavailable) {
		return nil, errors.New(strings.TrimSpace(refusal(resp, c.base, body).Error()))
	}
	return body, nil
}

// stream takes what the gateway says until ctx is done.
func (c *client) stream(ctx context.Context, path string) ([]byte, error) {
	resp, err := c.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp, c.base, body)
	}
	if err != nil && ctx.Err() == nil {
		return body, fmt.Errorf("reading the log of %s: %w", c.base, err)
	}
	return body, nil
}

func (c *client) open(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s can't be reached, is the gateway running? %w", c.base, unwrapped(err))
	}
	return resp, nil
}
