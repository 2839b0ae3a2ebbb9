node_name = "a"

listener "public" {
  address = "127.0.0.1:8080"
}

admin {
}

gateway {
  limits = []
}

limit "token_bucket" "per_ip" {
  rate = "10/s"
}

route "web" {
  path_prefix = "/"
  service     = "web"
  limits      = ["elsewhere"]
}

service "legacy" {
  instance {
    address = "10.0.0.1"
    port    = 80
  }
}
