package main

import "fmt"

func lictorConfig(s setting) string {
	log := `format = "off"`
	if s.accessLog {
		log = fmt.Sprintf("path = %q\n  format = \"json\"", fmt.Sprintf("%s/lictor-access-%d.log", s.dir, s.port))
	}
	secure := ""
	if s.tls {
		secure = fmt.Sprintf("tls {\n    certificate {\n      cert_file = \"%[1]s/%[2]s\"\n      key_file  = \"%[1]s/%[3]s\"\n    }\n  }", s.dir, certFile, keyFile)
	}
	protocol := ""
	if s.grpc {
		protocol = `protocol    = "grpc"`
	}
	return fmt.Sprintf(`
log_level = "WARN"

listener "public" {
  address = "127.0.0.1:%[1]d"
  %[6]s
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
  %[7]s
}
`, s.port, s.admin, s.backends[0], s.backends[1], log, secure, protocol)
}
