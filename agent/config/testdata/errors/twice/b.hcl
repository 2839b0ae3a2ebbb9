node_name = "b"

listener "public" {
  address = "127.0.0.1:8080"
}

admin {
}

gateway {
  limits = []
}

defaults {
}

defaults {
}

consul {
  service {
  }
  service {
  }
}

limit "token_bucket" "per_ip" {
  rate = "20/s"
}

limit "fixed_window" "elsewhere" {
  limit  = 10
  window = "1m"
}

route "web" {
  path_prefix = "/b"
  service     = "web"
}

route "web-b" {
  path_prefix = "/"
  service     = "web"
}

service "legacy" {
  instance {
    address = "10.0.0.1"
    port    = 80
  }
  instance {
    address = "10.0.0.1"
    port    = 80
  }
}
