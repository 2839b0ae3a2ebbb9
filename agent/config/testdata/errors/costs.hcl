limit "token_bucket" "ok" {
  rate = "10/s"
  cost = { POST = 3, GET = 0, other = 2 }
}

limit "token_bucket" "methods" {
  rate = "10/s"
  cost = { POTS = 3, get = 1, POST = -1, PUT = 1, PUT = 2 }
}

limit "token_bucket" "dear" {
  rate = "10/s"
  cost = { POST = 11 }
}

limit "token_bucket" "upload" {
  rate  = "1000000/s"
  unit  = "bytes"
  cost  = 2
}

limit "sliding_window" "slides" {
  limit  = 100
  window = "1m"
  unit   = "byte"
}

limit "sliding_window" "slides_bytes" {
  limit  = 100
  window = "1m"
  unit   = "bytes"
}

limit "leaky_bucket" "queue" {
  rate  = "10/s"
  queue = 5
  unit  = "bytes"
}

limit "concurrency" "none" {
  max = 0
}

limit "concurrency" "bytes" {
  max  = 10
  unit = "bytes"
}

limit "concurrency" "elsewhere" {
  max   = 10
  scope = "fleet_share"
}

limit "adaptive_concurrency" "learns" {
  key       = [service.name, client.ip]
  cost      = 2
  tolerance = 0.5
}

limit "adaptive_concurrency" "keyed" {
  key  = [service.name, client.ip]
  cost = 2
}

limit "fixed_window" "zone" {
  limit     = 10
  window    = "day"
  align     = "calendar"
  time_zone = "Europe/Berlim"
}

limit "fixed_window" "unaligned" {
  limit  = 10
  window = "month"
}

limit "fixed_window" "nominal" {
  limit  = 10
  window = "30d"
  align  = "calendar"
}

limit "fixed_window" "fleet" {
  limit  = 10
  window = "month"
  align  = "calendar"
  scope  = "fleet_share"
}

limit "adaptive_concurrency" "fine" {
}

route "a" {
  service = "a"
  limits = [
    { name = "ok", cost = 11 },
    { name = "ok" },
    { nam = "ok", cost = 1 },
    { cost = 1 },
    { name = "fine", cost = 2 },
    { name = "okay", cost = 2 },
    { name = "dear", cost = "much" },
    7,
    "",
  ]
}

route "b" {
  service = "b"
  path    = "/b"
  limits  = "ok"
}
