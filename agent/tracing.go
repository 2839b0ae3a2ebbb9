package agent

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lictor/lictor/agent/certs"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/tracing"
)

// lastTraces is how long a gateway that leaves may take to export what is left.
const lastTraces = 3 * time.Second

// openTracing returns the recorder of traces, nil when none is configured. It does
// not ask whether the collector is there.
func (a *Agent) openTracing(c *config.Config) (*tracing.Recorder, error) {
	t := &c.Tracing
	if t.Endpoint == "" {
		return nil, nil //nolint:nilnil // not configured is no error
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
	}
	if t.CAFile != "" {
		authority, err := certs.LoadClient(certs.ClientSpec{CAFile: t.CAFile})
		if err != nil {
			return nil, fmt.Errorf("tracing: %w", err)
		}
		transport.TLSClientConfig = authority.ClientConfig("")
		transport.TLSClientConfig.NextProtos = nil // net/http's to choose
	}
	if _, err := tracingFields(t); err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	exporter, err := tracing.NewExporter(tracing.Collector{
		URL: t.Endpoint,
		Client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Fields:    func() (http.Header, error) { return tracingFields(t) },
		UserAgent: "lictor/" + a.options.Version, Plain: t.Compression == config.CompressionNone,
	})
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return tracing.New(tracing.Options{
		Service: t.ServiceName, Version: a.options.Version, Instance: c.NodeName, Resource: t.Resource,
		Exporter: exporter, Queue: t.Queue, Timeout: t.Timeout, Logger: a.log.Named("tracing"),
	}), nil
}

// tracingFields reads what goes along with an export. The files are small and read
// for each one, so that a secret may change.
func tracingFields(t *config.Tracing) (http.Header, error) {
	h := http.Header{}
	if t.HeadersFile != "" {
		text, err := os.ReadFile(t.HeadersFile)
		if err != nil {
			return nil, err
		}
		if h, err = tracing.ParseHeaders(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", t.HeadersFile, err)
		}
	}
	if t.TokenFile != "" {
		token, err := readSecret(t.TokenFile)
		if err != nil {
			return nil, err
		}
		h.Set("Authorization", "Bearer "+token)
	}
	return h, nil
}

// sample makes a configuration's choice of what is traced the one in force. Where
// spans go is settled at the start.
func (a *Agent) sample(c *config.Config) {
	if a.traces == nil {
		return
	}
	a.proxy.SetTracing(proxy.NewTracing(a.traces, c.Tracing.SampleRatio, c.Tracing.ParentBased))
}

// runTracing exports traces until ctx is done, and then what is left.
func (a *Agent) runTracing(ctx context.Context) {
	if a.traces != nil {
		a.traces.Run(ctx, lastTraces)
	}
}

// collectTraces adds what has become of spans.
func (c *collector) collectTraces(out chan<- prometheus.Metric) {
	if c.agent.traces == nil {
		return
	}
	n := c.agent.traces.Counts()
	counter(out, c.spans, float64(n.Exported), "exported")
	counter(out, c.spans, float64(n.Dropped), "dropped")
	counter(out, c.spans, float64(n.Failed), "failed")
}
