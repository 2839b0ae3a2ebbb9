listener "public" {
  address = "127.0.0.1:8080"
}

consul {
  address = "127.0.0.1:8500"
}

limit "token_bucket" "route_wide" {
  rate  = "1000/s"
  key   = []
  scope = "fleet_share"
}

limit "token_bucket" "leased" {
  rate  = "1000/s"
  lease = 10
  scope = "fleet_share"
}

limit "concurrency" "in_flight" {
  max   = 10
  scope = "fleet_share"
}
