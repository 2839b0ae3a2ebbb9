listener "public" {
  address = "127.0.0.1:8080"
}

route "query" {
  path           = "/query"
  prepared_query = "a"
}

route "other" {
  path        = "/other"
  service     = "a"
  datacenters = ["dc2"]
}
