log_level = "INFO"

route "a-all" {
  path_regex = "/a/.*"
  service    = "a"
}

route "b-part" {
  path_regex = "/a/b/.*"
  service    = "b"
}

route "impossible" {
  path_regex = "a"
  service    = "c"
}

route "fine" {
  path_prefix = "/a"
  service     = "d"
}
