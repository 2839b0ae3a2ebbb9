log_level = "DEBUG"

listener "more" {
  address = "127.0.0.1:8081"
}

route "web" {
  service = "web"
  limits  = ["per_ipp"]
}
