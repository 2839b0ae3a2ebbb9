route "a" {
  path_prefix = "/a"
  service     = "a"
}

route "b" {
  path_prefix = "/a/"
  service     = "b"
}

route "c" {
  path_prefix = "/a"
  methods     = ["GET"]
  service     = "c"
}

route "wrong" {
  path_prefix = "/a"
  timeout     = "soon"
  service     = "a"
}

route "b" {
  path_prefix = "/a"
  methods     = ["PUT", "GET"]
  service     = "b"
}
