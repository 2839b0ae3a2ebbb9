package main

import "fmt"

// nginxConfig spools nothing to disk, as the others.
func nginxConfig(s setting) string {
	log := "access_log off;"
	if s.accessLog {
		log = fmt.Sprintf(`log_format json escape=json '{"time":"$time_iso8601","request_id":"$request_id","client":"$remote_addr",'
    '"method":"$request_method","host":"$host","path":"$uri","query":"$args","status":$status,"bytes_in":$request_length,'
    '"bytes_out":$body_bytes_sent,"duration":$request_time,"upstream":"$upstream_response_time","instance":"$upstream_addr",'
    '"user_agent":"$http_user_agent","referer":"$http_referer","protocol":"$server_protocol"}';
  access_log %s/nginx-access.log json buffer=64k flush=1s;`, s.dir)
	}
	secure := ""
	if s.tls {
		secure = fmt.Sprintf(" ssl http2;\n    ssl_certificate %[1]s/%[2]s;\n    ssl_certificate_key %[1]s/%[3]s;\n    ssl_protocols TLSv1.2 TLSv1.3", s.dir, certFile, keyFile)
	}
	module, pass := "proxy", `proxy_pass http://orders;
      proxy_http_version 1.1;
      proxy_max_temp_file_size 0;
      proxy_set_header Connection "";`
	if s.grpc {
		module, pass = "grpc", "grpc_pass grpc://orders;"
	}
	return fmt.Sprintf(`
daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
events { worker_connections 32768; }
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
    listen 127.0.0.1:%[2]d%[6]s;
    location /orders {
      limit_req zone=flood burst=1000000 nodelay;
      %[8]s
      %[7]s_set_header Host $http_host;
      %[7]s_set_header X-Forwarded-For $remote_addr;
      %[7]s_set_header X-Forwarded-Proto $scheme;
      %[7]s_set_header X-Forwarded-Host $http_host;
      %[7]s_set_header X-Forwarded-Port $server_port;
      %[7]s_set_header X-Request-Id $request_id;
      %[7]s_set_header traceparent "00-$request_id-0123456789abcdef-00";
      %[7]s_set_header Via "1.1 nginx";
      add_header X-Request-Id $request_id always;
      add_header RateLimit-Policy '"flood";q=1000000;w=1';
      add_header RateLimit '"flood";r=999999;t=1';
    }
  }
}
`, s.dir, s.port, s.backends[0], s.backends[1], log, secure, module, pass)
}
