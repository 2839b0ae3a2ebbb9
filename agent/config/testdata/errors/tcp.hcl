listener "public" {
  address = "127.0.0.1:8080"
}

listener "db" {
  address  = "127.0.0.1:5432"
  protocol = "tcp"

  health_path  = "/health"
  idle_timeout = "5s"
  engine       = "nethttp"
  http2 {
  }
}

listener "other" {
  address  = "127.0.0.1:5433"
  protocol = "udp"
}

limit "token_bucket" "per_user" {
  rate = "1/s"
  key  = [jwt.sub]
}

limit "adaptive_concurrency" "adaptive" {
}

limit "token_bucket" "volume" {
  rate  = "1/s"
  burst = 10
  unit  = "bytes"
}

tcp_route "in_clear" {
  listener = "public"
  service  = "postgres"
}

tcp_route "nowhere" {
  listener = "bd"
  service  = "postgres"
}

tcp_route "nothing" {
}

tcp_route "names" {
  listener       = "db"
  service        = "postgres"
  sni            = ["", "*", "a.*.com", "db.example.com:5432", "192.0.2.1", "a..b"]
  proxy_protocol = "v3"
  balance        = "lest_conn"
  limits         = ["per_user", "adaptive", "volume", "unknown"]
  path_prefix    = "/"
  jwt {
    provider = "main"
  }
}

tcp_route "no_names" {
  listener = "db"
  service  = "postgres"
  sni      = []
}

tcp_route "both" {
  listener = "db"
  service  = "postgres"
  sni      = ["tls.example.com"]
  upstream_tls {
  }
}

tcp_route "meshed" {
  listener       = "db"
  service        = "postgres"
  sni            = ["meshed.example.com"]
  mesh           = "true"
  proxy_protocol = "v2"
}

tcp_route "first" {
  listener = "db"
  service  = "postgres"
  sni      = ["*.example.com", "a.example.com"]
}

tcp_route "second" {
  listener = "db"
  service  = "postgres"
  sni      = ["A.example.com.", "*.EXAMPLE.com"]
}

tcp_route "rest" {
  listener = "db"
  service  = "postgres"
}

tcp_route "rest_too" {
  listener = "db"
  service  = "postgres"
}

route "web" {
  service        = "web"
  proxy_protocol = "v1"
}

tcp_route "web" {
  listener = "db"
  service  = "postgres"
  sni      = ["web.example.com"]
}
