route "a" {
  path    = "/a"
  service = "a"
  grpc_web {
    enabled = "sometimes"
    text    = true
  }
}

route "b" {
  path    = "/b"
  service = "b"
  grpc_web {}
  grpc_web {}
}

gateway {
  grpc_web {}
}
