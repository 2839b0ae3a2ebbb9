listener "public" {
  address = "127.0.0.1:8080"
}

route "web" {
  service = "web"
  limits  = ["in_b"]
}
