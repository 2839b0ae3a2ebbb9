package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/lictor/lictor/e2e/process"
)

const warmUp = time.Second

// sample is what one measurement of a proxy says.
type sample struct {
	load
	cpu      time.Duration // of the proxy
	resident int64         // of the proxy, at the end
	late     lateness      // of the CPU that lost more
}

func (s sample) perRequest() time.Duration { return s.cpu / time.Duration(max(1, s.Requests)) }

// task is a case to measure.
type task struct {
	clients           string // of -clients
	size, connections int
	log               bool
	rate              int
}

func (t task) String() string {
	text := fmt.Sprintf("%s, %d B, %d connections, log %s", t.clients, t.size, t.connections, onOff(t.log))
	if t.rate > 0 {
		text += fmt.Sprintf(", %d/s", t.rate)
	}
	return text
}

// compare measures every case and prints one table of all.
func compare(ctx context.Context, o options) error {
	generator, err := o.front.generator(ctx)
	if err != nil {
		return err
	}
	late := watchBoth()
	var rows []row
	for _, log := range o.logs {
		for _, size := range o.sizes {
			for _, connections := range o.connects {
				more, err := measureCase(ctx, o, generator, late, task{o.clients, size, connections, log, o.rate})
				if err != nil {
					return err
				}
				rows = append(rows, more...)
			}
		}
	}
	printTable(rows, o)
	return nil
}

// measureCase measures each proxy as often as there are repetitions.
func measureCase(ctx context.Context, o options, generator string, late func() lateness, t task) (_ []row, err error) {
	s, err := newStage(ctx, o, t.size, t.connections, t.log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if o.half {
		l, err := wrk(ctx, generator, s.proxies[0].url, t.connections, false, o.duration)
		if err != nil {
			return nil, err
		}
		t.rate = int(float64(l.Requests) / o.duration.Seconds() / 2)
	}
	run := func(p *proxy, d time.Duration) (load, error) {
		if t.rate > 0 {
			return paced(ctx, p.address, t.connections, t.rate, d)
		}
		if o.front.grpc {
			return grpcLoad(ctx, p.address, t.connections, o.front.streams, t.size, d)
		}
		if o.front.streams > 0 {
			return h2load(ctx, generator, p.url, t.connections, o.front.streams, d)
		}
		return wrk(ctx, generator, p.url, t.connections, o.front.fresh, d)
	}
	fmt.Printf("%v: about %v\n", t, time.Duration(o.runs*len(s.proxies))*(o.duration+warmUp))
	samples := map[string][]sample{}
	for n := range o.runs {
		for _, p := range order(s.proxies, n) {
			var profile <-chan error
			got, err := measure(p, o.duration, run, late, func() {
				if p.name == "lictor" && o.profile != "" && n == o.runs-1 {
					profile = record(ctx, p.admin, o.duration, o.profile)
				}
			})
			if err == nil && profile != nil {
				err = <-profile
			}
			if err != nil {
				return nil, fmt.Errorf("repetition %d of %s: %w", n+1, p.name, err)
			}
			samples[p.name] = append(samples[p.name], got)
			fmt.Printf("  %d %-8s %8.0f/s  %6.2f us  p99 %6.2f ms, of slices %5.2f ms  late %.1f %%, %.1f ms\n", n+1, p.name,
				float64(got.Requests)/o.duration.Seconds(), micros(got.perRequest()), millis(got.P99), millis(got.Slice99),
				got.late.percent(), millis(got.late.longest))
		}
	}
	var rows []row
	for _, name := range o.proxies {
		rows = append(rows, summary(t, name, samples[name], samples[o.proxies[0]]))
	}
	return rows, nil
}

// order returns the turns of a repetition: rotated, and every other time reversed,
// so that none follows the same one always.
func order(proxies []*proxy, n int) []*proxy {
	at := n / 2 % len(proxies)
	turns := slices.Concat(proxies[at:], proxies[:at])
	if n%2 == 1 {
		slices.Reverse(turns)
	}
	return turns
}

// measure warms the proxy up, puts load on it and returns what that cost it. What
// the one before wrote to its log is on the disk by then.
func measure(p *proxy, d time.Duration, run func(*proxy, time.Duration) (load, error), late func() lateness, began func()) (sample, error) {
	syncDisk()
	if _, err := run(p, warmUp); err != nil {
		return sample{}, err
	}
	began()
	before, err := process.CPUTime(p.process.PID())
	if err != nil {
		return sample{}, err
	}
	late()
	l, err := run(p, d)
	lost := late()
	if err != nil {
		return sample{}, err
	}
	after, err := process.CPUTime(p.process.PID())
	if err != nil {
		return sample{}, err
	}
	memory, err := process.Resident(p.process.PID())
	return sample{l, after - before, memory, lost}, err
}

// watchBoth looks at the proxy's CPU and the load's.
func watchBoth() (seen func() lateness) {
	ofProxy, ofLoad := watchLate(proxyCPU), watchLate(min(loadCPU, runtime.NumCPU()-1))
	return func() lateness { return ofProxy().worse(ofLoad()) }
}

// record has the gateway profile itself into a file.
func record(ctx context.Context, admin string, d time.Duration, file string) <-chan error {
	done := make(chan error, 1)
	go func() {
		url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, max(1, int(d.Seconds())-1))
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			done <- err
			return
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			done <- fmt.Errorf("profiling: %w", err)
			return
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			done <- fmt.Errorf("profiling: %s", response.Status)
			return
		}
		f, err := os.Create(file)
		if err != nil {
			done <- fmt.Errorf("profiling: %w", err)
			return
		}
		_, err = io.Copy(f, response.Body)
		done <- errors.Join(err, f.Close())
	}()
	return done
}

// row is a line of the table: medians over the repetitions, and the median, the
// least and the greatest of the ratios to the first proxy, each within one repetition.
type row struct {
	task               task
	name               string
	requests           float64 // a second
	cpu, p50           time.Duration
	ratio, least, most float64
	p99, slice99       tail
	late               float64       // percent
	longest            time.Duration // that a CPU was late
	resident           int64
	errors             int
}

// tail is a percentile far out.
type tail struct {
	median time.Duration
	ratio  float64
}

func (t tail) String() string {
	if t.median == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f (%.2f)", millis(t.median), t.ratio)
}

// tailOf takes its ratio as that of the CPU time is taken.
func tailOf(samples, first []sample, of func(sample) time.Duration) tail {
	ratios := make([]float64, len(samples))
	for n, s := range samples {
		ratios[n] = float64(of(s)) / float64(max(1, of(first[n])))
	}
	return tail{median(samples, of), median(ratios, func(f float64) float64 { return f })}
}

func summary(t task, name string, samples, first []sample) row {
	r := row{
		task: t, name: name,
		cpu:      median(samples, sample.perRequest),
		p50:      median(samples, func(s sample) time.Duration { return s.P50 }),
		p99:      tailOf(samples, first, func(s sample) time.Duration { return s.P99 }),
		slice99:  tailOf(samples, first, func(s sample) time.Duration { return s.Slice99 }),
		late:     median(samples, func(s sample) float64 { return s.late.percent() }),
		resident: median(samples, func(s sample) int64 { return s.resident }),
	}
	requests := median(samples, func(s sample) int { return s.Requests })
	r.requests = float64(requests)
	var ratios []float64
	for n, s := range samples {
		ratios = append(ratios, float64(s.perRequest())/float64(first[n].perRequest()))
		r.longest = max(r.longest, s.late.longest)
		r.errors += s.Errors
	}
	same := func(f float64) float64 { return f }
	r.ratio, r.least, r.most = median(ratios, same), slices.Min(ratios), slices.Max(ratios)
	return r
}

func printTable(rows []row, o options) {
	fmt.Printf("\nmedians of %d repetitions; x, and in brackets behind a percentile: median ratio to %s within a repetition (least-greatest)\n", o.runs, o.proxies[0])
	fmt.Printf("late: share of the time that the CPU which lost more was not there for anybody, and the longest in all repetitions\n\n")
	fmt.Println("| case | proxy | requests/s | CPU us/request | x | p50 ms | p99 ms | p99 of slices, ms | late % (longest, ms) | RSS MiB | errors |")
	fmt.Println("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range rows {
		fmt.Printf("| %v | %s | %.0f | %.2f | %.2f (%.2f-%.2f) | %.2f | %v | %v | %.1f (%.1f) | %.1f | %d |\n", r.task, r.name,
			r.requests/o.duration.Seconds(), micros(r.cpu), r.ratio, r.least, r.most,
			millis(r.p50), r.p99, r.slice99, r.late, millis(r.longest), float64(r.resident)/(1<<20), r.errors)
	}
}

// median returns the middle value, the mean of two.
func median[S any, N int | int64 | float64 | time.Duration](all []S, of func(S) N) N {
	values := make([]N, len(all))
	for i, s := range all {
		values[i] = of(s)
	}
	slices.SortFunc(values, cmp.Compare[N])
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
