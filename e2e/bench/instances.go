package main

import (
	"fmt"
	"strings"
)

// instanceConfig is an instance: nginx with a fixed reply, from its memory where
// that is possible, else from a file of that size in the folder. Here and below it
// runs as a single process, which is as fast as one worker and leaves nothing
// behind when it is killed.
func instanceConfig(dir string, n, port, size int) string {
	reply := fmt.Sprintf("return 200 %q;", strings.Repeat("x", size))
	if size > 4000 { // nginx's bound on one word of its configuration
		reply = fmt.Sprintf("alias %s/reply;", dir)
	}
	return fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/instance-%[2]d.pid;
error_log %[1]s/instance-%[2]d.log;
events { worker_connections 16384; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  open_file_cache max=10 inactive=1h;
  server {
    listen 127.0.0.1:%[3]d;
    default_type application/json;
    location = %[5]s {
      add_header Cache-Control "private, max-age=0";
      add_header X-Instance "orders-%[2]d";
      %[4]s
    }
  }
}
`, dir, n, port, reply, target)
}
