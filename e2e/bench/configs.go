package main

import (
	"fmt"
	"strings"
)

// instanceConfig is an instance: nginx with a fixed reply of 1 KiB. Here and below
// it runs as a single process, which is as fast as one worker and leaves nothing
// behind when it is killed.
func instanceConfig(dir string, n, port int) string {
	return fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/instance-%[2]d.pid;
error_log %[1]s/instance-%[2]d.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  server {
    listen 127.0.0.1:%[3]d;
    default_type application/json;
    location / {
      add_header Cache-Control "private, max-age=0";
      add_header X-Instance "orders-%[2]d";
      return 200 "%[4]s";
    }
  }
}
`, dir, n, port, strings.Repeat("x", 1024))
}

// nginxProxyConfig does what the gateway does by default and lictorProxyConfig
// asks for: least connections, one limit, forwarding fields and a request id.
func nginxProxyConfig(dir string, port int, backends []int, accessLog bool) string {
	log := "access_log off;"
	if accessLog {
		log = fmt.Sprintf(`log_format json escape=json '{"time":"$time_iso8601","request_id":"$request_id","client":"$remote_addr",'
    '"method":"$request_method","host":"$host","path":"$uri","query":"$args","status":$status,"bytes_in":$request_length,'
    '"bytes_out":$body_bytes_sent,"duration":$request_time,"upstream":"$upstream_response_time","instance":"$upstream_addr",'
    '"user_agent":"$http_user_agent","referer":"$http_referer","protocol":"$server_protocol"}';
  access_log %s/nginx-access.log json buffer=64k flush=1s;`, dir)
	}
	return fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
events { worker_connections 4096; }
http {
  %[5]s
  keepalive_requests 1000000000;
  limit_req_zone $binary_remote_addr zone=flood:10m rate=1000000r/s;
  upstream orders {
    least_conn;
    server 127.0.0.1:%[3]d;
    server 127.0.0.1:%[4]d;
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:%[2]d;
    location /orders {
      limit_req zone=flood burst=1000000 nodelay;
      proxy_pass http://orders;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header traceparent "00-$request_id-0123456789abcdef-00";
      proxy_set_header Via "1.1 nginx";
      add_header X-Request-Id $request_id always;
    }
  }
}
`, dir, port, backends[0], backends[1], log)
}

func lictorProxyConfig(dir string, port, admin int, backends []int, accessLog bool) string {
	log := `format = "off"`
	if accessLog {
		log = fmt.Sprintf("path = %q\n  format = \"json\"", dir+"/lictor-access.log")
	}
	return fmt.Sprintf(`
log_level = "WARN"

listener "public" {
  address = "127.0.0.1:%[1]d"
}
admin {
  address = "127.0.0.1:%[2]d"
}
access_log {
  %[5]s
}
service "orders" {
  instance {
    address = "127.0.0.1"
    port    = %[3]d
  }
  instance {
    address = "127.0.0.1"
    port    = %[4]d
  }
}
limit "token_bucket" "flood" {
  rate  = "1000000/s"
  burst = 1000000
  key   = [client.ip]
}
route "orders" {
  path_prefix = "/orders"
  service     = "orders"
  balance     = "least_conn"
  limits      = ["flood"]
}
`, port, admin, backends[0], backends[1], log)
}
