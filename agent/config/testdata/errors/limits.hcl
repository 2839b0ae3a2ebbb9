limit "token_bucket" "keys" {
  rate = "10/s"
  key = [
    client.addr,
    client.cert,
    "client.ip",
    jwt,
    request.headers["X-Api-Key"],
    request.header,
    request.header["X Key"],
  ]
}

limit "token_bucket" "more_keys" {
  rate = "10/s"
  key = [
    request.path,
    route.nme,
    service,
    jwt.groups[0],
    jwt.groups[*],
    client.ip,
    client.ip,
  ]
}

limit "token_bucket" "too_many" {
  rate = "10/s"
  key  = [jwt.a, jwt.b, jwt.c, jwt.d, jwt.e, jwt.f, jwt.g, jwt.h, jwt.i]
}

limit "token_bucket" "no_list" {
  rate = "10/s"
  key  = client.ip
}

limit "token_bucket" "chosen" {
  rate = "10/s"
  key  = [request.header["X-Api-Key"], route.name]
}

limit "token_bucket" "chosen_too" {
  rate = "10/s"
  key  = [request.host]
}

limit "token_bucket" "words" {
  rate           = "10/s"
  scope          = "shared"
  mode           = "permisive"
  on_store_error = "fail"
  headers        = "none"
  cost           = 0
  max_keys       = "many"
  ipv6_prefix    = 129
  ipv4_prefix    = -1
}

limit "token_bucket" "cost" {
  rate  = "10/s"
  burst = 5
  cost  = 6
}

limit "token_bucket" "two_faults" {
  rate  = "10"
  burst = -1
}

limit "leaky_bucket" "missing" {
  que = 3
}

limit "fixed_window" "types" {
  limit  = "ten"
  window = "1 minute"
}

limit "sliding_windw" "algorithm" {
}

limit "token_bucket" {
  rate = "10/s"
}

limit "token_bucket" "-" {
  rate = "10/s"
}
