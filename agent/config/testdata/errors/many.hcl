log_levl = "INFO"
log_level = "INF"
listner "x" {}
listener "public" {
  address = ":80800"
  trusted_proxies = ["10.0.0.1/8", "foo"]
  tls {}
  proxy_protocol = "optional"
  idle_timout = "1s"
  read_header_timeout = "10"
  max_header_bytes = "32kib"
}
jwt "main" {}
consul { token = "x" }
limit "token_bucket" "a" {
  rate = "100/s"
  burst = 5
  cost = 7
  key = [client.addr]
  mod = "permissive"
}
limit "token_buket" "b" {}
limit "token_bucket" "c" {
 rate = "x"
 burts = 3
 scope = "shared"
}
limit "token_bucket" "d" {
 rate = "100/s"
 key = [jwt.sub, route.name]
}
gateway { limits = ["d", "e"] }
route "r" {
  path = "x"
  path_prefx = "/"
  limits = ["d","z"]
  balance = "leastconn"
  service = "s"
  strip_prefix = "/z"
  jwt {}
}
route "q" {
  limits = ["d"]
  methods = ["get"]
}
