node_name = "edge-3"

route "b" {
  path    = "/b"
  service = "b"
  limits  = ["late"]
}
