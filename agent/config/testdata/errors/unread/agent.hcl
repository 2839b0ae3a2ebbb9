listener "public" {
  address = "127.0.0.1:8080"
}

policies {
  paths = ["nowhere/"]
}

route "web" {
  service = "web"
  limits  = ["elsewhere"]
}
