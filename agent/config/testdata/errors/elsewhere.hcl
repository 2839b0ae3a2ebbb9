listener "public" {
  address = "127.0.0.1:8080"
}

consul {
  zone_meta = "zone"
  connect {
    enabled = true
  }
}

service "legacy" {
  instance {
    address = "10.1.2.3"
    port    = 8080
  }
}

route "both" {
  path           = "/both"
  service        = "a"
  prepared_query = "b"
}

route "neither" {
  path = "/neither"
}

route "name" {
  path           = "/name"
  prepared_query = "a/b"
  mesh           = "false"
}

route "clear" {
  path           = "/clear"
  prepared_query = "a"
}

route "mesh-query" {
  path           = "/mesh-query"
  prepared_query = "a"
  mesh           = "true"
}

route "failover" {
  path           = "/failover"
  prepared_query = "a"
  mesh           = "false"
  datacenters    = ["dc2"]
}

route "names" {
  path        = "/names"
  service     = "a"
  datacenters = ["DC2", "dc 3", "dc2", "dc2"]
}

route "mesh" {
  path        = "/mesh"
  service     = "a"
  mesh        = "true"
  datacenters = ["dc2"]
}

route "static" {
  path        = "/static"
  service     = "legacy"
  datacenters = ["dc2"]
}
