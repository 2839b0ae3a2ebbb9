package main

import "fmt"

// haproxyConfig logs to standard output, a line a write: HAProxy knows no buffered
// log file. Its bound on connections is far above what is needed, since it keeps
// idle ones to instances only while a fifth of its files is in use.
func haproxyConfig(s setting) string {
	log := ""
	if s.accessLog {
		log = `  log stdout len 2048 format raw local0
  log-format '{"time":"%[date(0,ms),utime("%Y-%m-%dT%H:%M:%S")]","request_id":"%ID","client":"%ci","method":"%HM","host":"%[capture.req.hdr(0),json(utf8s)]","path":"%[capture.req.uri,json(utf8s)]","status":%ST,"bytes_in":%U,"bytes_out":%B,"duration":%Ta,"upstream":%Tr,"instance":"%si:%sp","user_agent":"%[capture.req.hdr(1),json(utf8s)]","referer":"%[capture.req.hdr(2),json(utf8s)]","protocol":"%HV"}'
`
	}
	return fmt.Sprintf(`
global
  nbthread 1
  no strict-limits
  maxconn %[5]d

defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
  http-reuse always

frontend public
  bind 127.0.0.1:%[1]d
%[4]s  unique-id-format %%[uuid()]
  http-request capture req.hdr(host) len 64
  http-request capture req.hdr(user-agent) len 128
  http-request capture req.hdr(referer) len 128
  stick-table type ip size 100k expire 10s store gpc0,http_req_rate(1s)
  http-request track-sc0 src
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000 }
  http-request set-header X-Forwarded-For %%[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %%[req.hdr(host)]
  http-request set-header X-Forwarded-Port %%[dst_port]
  http-request set-header X-Request-Id %%[unique-id]
  http-request set-header traceparent 00-%%[unique-id]-0123456789abcdef-00
  http-request set-header Via "1.1 haproxy"
  http-response set-header X-Request-Id %%[unique-id]
  http-response set-header RateLimit-Policy '"flood";q=1000000;w=1'
  http-response set-header RateLimit '"flood";r=999999;t=1'
  use_backend orders if { path_beg /orders }

backend orders
  balance leastconn
  server orders-0 127.0.0.1:%[2]d
  server orders-1 127.0.0.1:%[3]d
`, s.port, s.backends[0], s.backends[1], log, max(8192, s.clients+64))
}
