route "items" {
  path_pattern = "/items/{id}"
  service      = "a"
  rewrite {
    path   = "/v2/{path.ix}?a=b"
    prefix = "v2"
  }
}

route "nothing" {
  path_prefix = "/nothing"
  service     = "a"
  rewrite {
  }
}

route "query" {
  path_prefix = "/query"
  service     = "a"
  rewrite {
    path         = "/a/../b"
    set_query    = { "a" = "{query}", "b" = "{clientip}" }
    remove_query = ["a", ""]
  }
}
