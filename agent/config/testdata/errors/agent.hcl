node_name = ["a"]
log_json  = "perhaps"
log_level = var.level

listener "public" {
  merge_slashes    = "maybe"
  encoded_slashes  = "drop"
  forwarded        = "x-real-ip"
  max_header_bytes = "1GiB"
  max_connections  = -1
  trusted_proxies  = "10.0.0.0/8"
  health_path      = "/health"
  idle_timeout     = "1d"
}

listener "a b" {
  address             = "::1"
  read_header_timeout = "-1s"
  idle_timeout        = "0s"
  max_header_bytes    = "64"
  max_connections     = 1.5
  trusted_proxies     = ["10.0.0.0/33", "", 7, null]
  proxy_protocol      = "maybe"
}

listener "third" {
  address          = 8080
  max_header_bytes = "ten"
}

listener {
  address = "127.0.0.1:1"
}

admin {
  address    = "0.0.0.0:9980"
  token      = "hunter2"
}

consul {
  address   = "ftp://consul"
  max_stale = "soon"
  connect {
    enabled = true
  }
  service {
    name = ""
    tag  = []
  }
}

service "legacy" {
  check {
    http   = "/health"
    tcp    = true
    status = [200, 99]
  }
}

service "other" {
  instance {
    address = "10.0.0.1:80"
    port    = 70000
    weight  = 0
  }
  instance {
  }
  check {
    http          = "health"
    interval      = "1ms"
    healthy_after = 0
  }
}

policies {
  paths     = ["agent.hcl"]
  kv_prefix = "lictor/"
  watch     = 1
}

store "redis" {
  address = "127.0.0.1:6379"
}

tracing {
}

error_page {
  status = [404]
}

drain {
  delay   = "-1s"
  timeout = ""
}

telemetry {
  metrics_prefix = "9 lives"
  statsd_address = "localhost"
}

access_log {
  format = "jsn"
}
