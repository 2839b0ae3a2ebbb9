# A policy for the traffic that this program makes up.
limit "token_bucket" "per_client" {
  rate  = "1/s"
  burst = 10
  key   = [client.ip]
}
limit "sliding_window" "logins" {
  limit  = 20
  window = "1m"
  key    = [client.ip]
}
limit "fixed_window" "agents" {
  limit  = 100000
  window = "1h"
  mode   = "permissive"
  key    = [request.header["User-Agent"], client.ip]
}
route "login" {
  path    = "/login"
  service = "shop"
  limits  = ["logins"]
}
route "static" {
  path_prefix = "/static"
  service     = "shop"
}
route "shop" {
  service = "shop"
  limits  = ["per_client", "agents"]
}
