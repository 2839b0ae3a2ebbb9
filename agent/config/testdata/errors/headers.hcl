route "a" {
  path_prefix = "/a"
  service     = "a"
  request_headers {
    set    = { "Host" = "x", "X_Forwarded_For" = "y", "X-A" = "{jwt.sub}", "x_a" = "2" }
    add    = { "X-B" = " padded", "X-C" = "a\r\nEvil: 1", "X D" = "e" }
    remove = ["Content-Length", "X-A", "X-Request-Id"]
  }
  response_headers {
    set    = { "X-Limit" = "{limit}", "RateLimit" = "1" }
    remove = ["Connection", "Server"]
    remote = []
  }
}

route "b" {
  path_prefix = "/b"
  service     = "b"
  request_headers {
  }
}
