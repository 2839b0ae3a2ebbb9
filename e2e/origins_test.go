//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lictor/lictor/e2e/harness"
	"github.com/lictor/lictor/e2e/process"
)

// origin is a server with a folder. PUT /files/x stores a file there; GET
// /files/x answers with it and its length, GET /chunked/x with the same in chunks.
type origin struct {
	name string
	dir  string // holds files/
	host string
	port int
	// chunksFrom is the least size of an answer whose length the server does not
	// come to know after all.
	chunksFrom int64
	// framing says how the body of a PUT arrived, "length" or "chunked"; nil if
	// the server doesn't tell.
	framing func(file string) string
}

// stored opens what was put there.
func (o *origin) stored(file string) (*os.File, error) {
	return os.Open(filepath.Join(o.dir, "files", file))
}

// shared returns a folder that servers who drop their rights can use, too.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lictor-origin-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, path := range []string{dir, filepath.Join(dir, "files"), filepath.Join(dir, "temporary")} {
		if err := errors.Join(os.MkdirAll(path, 0o700), os.Chmod(path, 0o777)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// goOrigin runs an origin on net/http, in this process.
func goOrigin(t *testing.T) *origin {
	t.Helper()
	i := harness.StartInstance(t, "files", "files-go")
	var (
		mu      sync.Mutex
		framing = map[string]string{}
	)
	o := &origin{name: "go", dir: shared(t), host: i.Host, port: i.Port}
	o.framing = func(file string) string {
		mu.Lock()
		defer mu.Unlock()
		return framing[file]
	}
	i.HandleAll(func(w http.ResponseWriter, r *http.Request) {
		kind, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		file := filepath.Join(o.dir, "files", filepath.Base(name))
		switch {
		case r.Method == http.MethodPut:
			how := "length"
			if r.ContentLength < 0 {
				how = "chunked"
			}
			mu.Lock()
			framing[name] = how
			mu.Unlock()
			if err := store(file, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusCreated)
		case kind == "chunked":
			f, err := os.Open(file)
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
				return
			}
			defer f.Close()
			if err := http.NewResponseController(w).Flush(); err == nil {
				_, _ = io.Copy(w, f) // a short body shows at the client
			}
		default:
			http.ServeFile(w, r, file)
		}
	})
	return o
}

func store(file string, body io.Reader) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

// nginxOrigin runs an origin on nginx, as one process that a kill ends.
func nginxOrigin(t *testing.T) *origin {
	t.Helper()
	program := harness.Program(t, "nginx", "nginx-light")
	return serve(t, &origin{name: "nginx", chunksFrom: 1 << 10}, func(o *origin) (process.Command, string) {
		return process.Command{Path: program, Args: []string{"-p", o.dir, "-c", "server.conf"}}, fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %[1]s/temporary;
  client_max_body_size 0;
  keepalive_requests 1000000;
  keepalive_timeout 600s;
  server {
    listen 127.0.0.1:%[2]d;
    location /files/ {
      root %[1]s;
      dav_methods PUT;
    }
    location /chunked/ {
      alias %[1]s/files/;
      ssi on; # whose answers have no length beforehand
      ssi_types *;
    }
  }
}
`, o.dir, o.port)
	})
}

// apacheOrigin runs an origin on Apache, as one process.
func apacheOrigin(t *testing.T) *origin {
	t.Helper()
	program := harness.Program(t, "apache2", "apache2-bin")
	return serve(t, &origin{name: "apache", chunksFrom: 64 << 20}, func(o *origin) (process.Command, string) {
		return process.Command{Path: program, Args: []string{"-X", "-d", o.dir, "-f", "server.conf"}}, fmt.Sprintf(`
ServerName 127.0.0.1
Listen 127.0.0.1:%[2]d
User www-data
Group www-data
PidFile %[1]s/apache.pid
ErrorLog /dev/stderr
DefaultRuntimeDir %[1]s/temporary
Mutex pthread
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule include_module /usr/lib/apache2/modules/mod_include.so
LoadModule dav_module /usr/lib/apache2/modules/mod_dav.so
LoadModule dav_fs_module /usr/lib/apache2/modules/mod_dav_fs.so
DavLockDB %[1]s/temporary/lock
KeepAlive On
KeepAliveTimeout 600
MaxKeepAliveRequests 0
DocumentRoot %[1]s
Alias /chunked %[1]s/files
<Location /files>
  Dav On
</Location>
<Location /chunked>
  Options +Includes
  SetOutputFilter INCLUDES
</Location>
`, o.dir, o.port)
	})
}

// serve runs a server on a free port and waits until it answers.
func serve(t *testing.T, o *origin, how func(*origin) (process.Command, string)) *origin {
	t.Helper()
	var err error
	for range 5 { // another program may take the port first
		var ports []int
		if ports, err = process.FreePorts(1); err != nil {
			t.Fatal(err)
		}
		o.dir, o.host, o.port = shared(t), "127.0.0.1", ports[0]
		command, config := how(o)
		if err := os.WriteFile(filepath.Join(o.dir, "server.conf"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		var log harness.Log
		command.Output = &log
		var p *process.Process
		if p, err = process.Start(command); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
		err = process.Until(ctx, p, func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/files/none", o.host, o.port), nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			return response.Body.Close()
		})
		cancel()
		if err == nil {
			return o
		}
		err = fmt.Errorf("waiting for %s: %w; it printed:\n%s", o.name, err, log.String())
		p.Kill()
	}
	t.Fatal(err)
	return nil
}

// before returns a gateway that sends everything to the origin.
func (o *origin) before(t *testing.T) *harness.Gateway {
	t.Helper()
	return harness.StartGateway(t, harness.Options{
		Config: fmt.Sprintf(`
service "files" {
  instance {
    address = %q
    port    = %d
  }
}
`, o.host, o.port),
		Policies: `
route "files" {
  path_prefix = "/"
  service     = "files"
}
`,
	})
}
