limit "token_bucket" "per_ip" {
  rate = "10/s"
}

limit "token_bucket" "per_user" {
  rate = "10/s"
  key  = [jwt.sub]
}

limit "token_bucket" "per_route" {
  rate = "10/s"
  key  = [client.ip, route.name]
}

gateway {
  limits = ["per_ip", "per_route", "per_user", "flod"]
  limit  = []
}

defaults {
  limits = ["per_usr", "per_user"]
}

route "paths" {
  path         = "/a"
  path_prefix  = "/a"
  path_pattern = "/a/{id"
  path_regex   = "/a("
  service      = "a"
}

route "no-service" {
  path_prefx = "/a"
}

route "empty" {
  path        = ""
  service     = ""
  host_header = "a b"
}

route "wrong" {
  path_prefix     = "orders"
  hosts           = ["a..b", "example.com:8080"]
  methods         = ["get", "GET POST"]
  headers         = { "Host" = "a", "x y" = "b", "X-A" = ["c"], "x-a" = "d", "X-A" = "e" }
  query           = ["a"]
  service         = "b"
  limits          = ["per_user", "per_ipp"]
  balance         = "leastconn"
  max_connections = "x"
  max_body        = "1MB"
  timeout         = "30"
  connect_timeout = "0s"
  idle_timeout    = "1 minute"
  strip_prefix    = "/ord"
  inherit_limits  = false
  jwt {
    provider = "main"
  }
  teapot {
  }
}

route "strip-part" {
  path_prefix  = "/orders"
  strip_prefix = "/ord"
  service      = "c"
}

route "strip-pattern" {
  path_pattern = "/users/{id}/x"
  strip_prefix = "/users/{id}"
  service      = "c"
}

route "strip-regex" {
  path_regex   = "/users/.*"
  strip_prefix = "/users"
  service      = "c"
}

route "strip-any" {
  strip_prefix = "/users"
  service      = "c"
}

route "strip-odd" {
  path_prefix  = "/users"
  strip_prefix = "users"
  service      = "c"
}

jwt "main" {
  issuer = "https://id.example.com"
}
