listener "public" {
  address = "127.0.0.1:8080"
  mesh    = true
}

consul {
  address = "127.0.0.1:8500"
}

route "asks" {
  service = "a"
  mesh    = "true"
}

route "leaves_it" {
  path    = "/b"
  service = "b"
  mesh    = "auto"
}
