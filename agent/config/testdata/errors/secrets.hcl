consul {
  token = "hunter2"
}

store "redis" {
  password = "hunter2"
}

route "web" {
  service      = "web"
  basic_secret = "hunter2"
}
