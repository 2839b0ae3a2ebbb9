defaults {
  cors {
    allow_origins = ["https://app.example.com/", "https://*"]
  }
}

route "credentials" {
  path_prefix = "/a"
  service     = "a"
  cors {
    allow_origins     = ["*"]
    allow_headers     = ["*"]
    allow_credentials = true
  }
}

route "none" {
  path_prefix = "/b"
  service     = "b"
  cors {
    allow_methods = ["get"]
    max_age       = "600"
  }
}

route "off" {
  path_prefix = "/c"
  service     = "c"
  cors {
    enabled = false
  }
}
