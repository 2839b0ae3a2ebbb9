node_name = "edge-1"
log_level = "warn"
log_json  = true
data_dir  = "state"

listener "public" {
  address             = "0.0.0.0:8080"
  trusted_proxies     = ["10.0.0.0/8", "fd00::/8", "192.0.2.7"]
  forwarded           = "forwarded"
  proxy_protocol      = "required"
  health_path         = ""
  merge_slashes       = false
  encoded_slashes     = "reject"
  read_header_timeout = "1500ms"
  idle_timeout        = "2m"
  max_header_bytes    = "64KiB"
  max_connections     = 10000
}

listener "inner" {
  address       = "[::1]:8081"
  http3         = true
  http3_port    = 443
  http3_max_age = "1h30m"
  early_data    = true
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
    certificate {
      cert_file = "../tls/expired.pem"
      key_file  = "../tls/expired.key"
    }
    min_version    = 1.3
    client_ca_file = "../tls/ca.pem"
  }
}

admin {
  address    = "0.0.0.0:9980"
  token_file = "admin.token"
  hosts      = ["edge.example.com"]
}

consul {
  address               = "https://user:hunter2@consul.example.com:8501"
  token_file            = "/run/secrets/consul"
  datacenter            = "dc1"
  zone                  = "eu-1a"
  zone_meta             = "rack"
  require_service_check = false
  max_stale             = "1h"
  service {
    tags = ["edge"]
  }
  connect {
    enabled = true
  }
}

service "legacy" {
  instance {
    address = "10.1.2.3"
    port    = 8080
  }
  instance {
    address = "legacy.example.com"
    port    = 8080
    weight  = 3
  }
  check {
    http   = "/health"
    status = [200, 204]
  }
}

store "redis" {
  addresses     = ["10.0.0.1:6379", "10.0.0.2:6379"]
  master_name   = "limits"
  username      = "edge"
  password_file = "redis.password"
  salt_file     = "salt"
  db            = 3
  prefix        = "edge"
  timeout       = "5ms"
  gateways      = 4
  tls {
    ca_file     = "../tls/ca.pem"
    server_name = "redis.internal"
  }
}

policies {
  watch = false
}

drain {
  delay   = "3s"
  timeout = "1m"
}

telemetry {
  metrics_prefix = "edge"
  prometheus     = false
  statsd_address = "127.0.0.1:8125"
}

access_log {
  path   = "access.log"
  format = "combined"
}

limit "token_bucket" "per_user" {
  rate  = "100/s"
  burst = 200
  key   = [jwt.sub, jwt["https://example.com/tenant"].id]
}

limit "token_bucket" "per_ip" {
  rate        = "600/m"
  mode        = "permissive"
  headers     = "legacy"
  cost        = 2
  max_keys    = 5000
  ipv6_prefix = 56
  ipv4_prefix = 24
}

limit "token_bucket" "everybody" {
  rate           = "10000/h"
  key            = []
  scope          = "shared"
  lease          = 2
  on_store_error = "closed"
}

limit "token_bucket" "per_key" {
  rate = "5/10s"
  key  = [client.ip, request.header["X-Api-Key"], request.host, request.method]
}

gateway {
  limits = ["per_ip"]
}

defaults {
  limits = ["everybody"]
}

route "orders" {
  hosts           = ["api.example.com", "*.example.com"]
  path_prefix     = "/orders/v1"
  methods         = ["GET", "POST"]
  headers         = { "X-Beta" = "1", "X-Api-Key" = "hunter2" }
  query           = { access_token = "hunter2", page = "1" }
  service         = "orders"
  tags            = ["v1"]
  port            = "http"
  strip_prefix    = "/orders"
  host_header     = "orders.internal:8080"
  limits          = ["per_user", "per_key"]
  inherit_limits  = false
  balance         = "p2c"
  max_connections = 100
  timeout         = "10s"
  connect_timeout = "1s"
  idle_timeout    = "1h"
  max_body        = ""
}

route "exact" {
  path    = "/health"
  service = "orders"
  upstream_tls {
    ca_file     = "../tls/ca.pem"
    server_name = "orders.internal"
    cert_file   = "../tls/good.pem"
    key_file    = "../tls/good.key"
  }
}

route "elsewhere" {
  path        = "/elsewhere"
  service     = "orders"
  datacenters = ["dc3", "dc1", "dc-2_b"]
}

route "divided" {
  path        = "/divided"
  datacenters = ["dc2"]
  split "orders" {
    weight = 90
  }
  split "orders" {
    weight = 10
    tags   = ["v2", "canary"]
    port   = "http"
  }
  split "users" {
    weight = 0
  }
}

route "nearest" {
  path           = "/nearest"
  prepared_query = "orders-nearest"
  mesh           = "false"
}

route "pattern" {
  upstream_tls {}
  path_pattern = "/users/{id}/orders"
  strip_prefix = "/users"
  service      = "users"
}

route "regex" {
  path_regex = "/v[0-9]+/.*"
  service    = "versions"
}
