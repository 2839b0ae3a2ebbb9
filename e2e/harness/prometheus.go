package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/e2e/process"
)

// Prometheus is a running server that scrapes one gateway as the job lictor, and
// ends with the test.
type Prometheus struct {
	Address string // host:port
	t       testing.TB
}

// prometheusBinary is found once for all tests of a run.
var prometheusBinary = sync.OnceValues(func() (string, error) {
	source, err := root()
	if err != nil {
		return "", err
	}
	return output(filepath.Join(source, "e2e", "prometheus", "prometheus.sh"))
})

// Promtool runs promtool, which lies beside the server, in a folder.
func Promtool(t testing.TB, dir string, args ...string) {
	t.Helper()
	server, err := prometheusBinary()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(server), "promtool"), args...)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// StartPrometheus runs a server that scrapes the gateway once a second, with the
// rules of a file.
func StartPrometheus(t testing.TB, g *Gateway, rules string) *Prometheus {
	t.Helper()
	binary, err := prometheusBinary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: lictor
    metrics_path: /v1/metrics
    static_configs: [{targets: [%q]}]
`, rules, g.Admin)
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ports, err := process.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	log := &Log{}
	log.showOnFailure(t, "Prometheus")
	p := &Prometheus{Address: fmt.Sprintf("127.0.0.1:%d", ports[0]), t: t}
	server, err := process.Start(process.Command{
		Path:   binary,
		Args:   []string{"--config.file", file, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", p.Address},
		Dir:    dir,
		Output: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	err = process.Until(ctx, server, func(context.Context) error {
		n, err := p.Query(`up{job="lictor"} == 1`)
		if err == nil && n != 1 {
			err = fmt.Errorf("%d gateways are up", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Query returns how many series an expression has at present, without those that
// are not a number.
func (p *Prometheus) Query(expr string) (int, error) {
	response, err := http.Get("http://" + p.Address + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, fmt.Errorf("asking Prometheus: %w", err)
	}
	defer response.Body.Close()
	var out struct {
		Status, Error string
		Data          struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
		return 0, fmt.Errorf("decoding the answer of Prometheus: %w", err)
	}
	if out.Status != "success" {
		return 0, fmt.Errorf("%s: %s", expr, out.Error)
	}
	n := 0
	for _, r := range out.Data.Result {
		if r.Value[1] != "NaN" {
			n++
		}
	}
	return n, nil
}
