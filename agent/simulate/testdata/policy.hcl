limit "token_bucket" "per_client" {
  rate  = "1/s"
  burst = 3
  key   = [client.ip]
}
limit "concurrency" "in_flight" {
  max = 2
  key = [route.name]
}
limit "fixed_window" "watched" {
  limit  = 4
  window = "1m"
  mode   = "permissive"
  scope  = "shared"
  key    = [request.host]
}
limit "token_bucket" "per_user" {
  rate = "1/s"
  key  = [jwt.sub]
}
limit "adaptive_concurrency" "bearable" {}
limit "token_bucket" "unused" {
  rate = "1/s"
}
route "shop" {
  hosts       = ["shop.example.com"]
  path_prefix = "/shop"
  service     = "shop"
  limits      = ["per_client", "watched", "per_user", "bearable"]
}
route "slow" {
  path     = "/slow"
  methods  = ["GET"]
  service  = "slow"
  limits   = ["in_flight"]
  max_body = "1KiB"
  ip_access {
    deny = ["203.0.113.0/24"]
  }
}
