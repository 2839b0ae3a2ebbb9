gateway {
  compression {} # there is no answer yet
}

defaults {
  compression {
    algorithms = ["gzip", "brotli"]
  }
}

route "files" {
  service = "files"
  compression {
    enabled        = "maybe"
    algorithms     = []
    types          = ["text", "image/*", "application/grpc"]
    min_lenght     = "1KiB"
    level          = "smal"
    max_concurrent = 0
  }
  compression {}
}

route "empty" {
  path    = "/empty"
  service = "files"
  compression {
    types      = []
    min_length = "1 kilo"
  }
}
