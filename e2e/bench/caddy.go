package main

import "fmt"

// caddyConfig has no limit: Caddy comes without one.
func caddyConfig(s setting) string {
	log := ""
	if s.accessLog {
		log = fmt.Sprintf("log {\n    output file %s/caddy-access.log {\n      roll_disabled\n    }\n    format json\n  }", s.dir)
	}
	scheme, secure := "http", ""
	if s.tls {
		scheme, secure = "https", fmt.Sprintf("tls %[1]s/%[2]s %[1]s/%[3]s", s.dir, certFile, keyFile)
	}
	to := ""
	if s.grpc {
		to = "h2c://"
	}
	return fmt.Sprintf(`
{
  admin off
  auto_https off
  persist_config off
  log {
    level ERROR
  }
}
%[5]s://127.0.0.1:%[1]d, %[5]s://localhost:%[1]d {
  %[4]s
  %[6]s
  header X-Request-Id {http.request.uuid}
  header RateLimit-Policy `+"`"+`"flood";q=1000000;w=1`+"`"+`
  header RateLimit `+"`"+`"flood";r=999999;t=1`+"`"+`
  reverse_proxy /orders* %[7]s127.0.0.1:%[2]d %[7]s127.0.0.1:%[3]d {
    lb_policy least_conn
    header_up X-Forwarded-Port %[1]d
    header_up X-Request-Id {http.request.uuid}
    header_up traceparent "00-{http.request.uuid}-0123456789abcdef-00"
    transport http {
      keepalive_idle_conns_per_host 256
      compression off
    }
  }
}
`, s.port, s.backends[0], s.backends[1], log, scheme, secure, to)
}
