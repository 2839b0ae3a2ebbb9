listener "public" {
  address = "127.0.0.1:8080"
}

limit "token_bucket" "shared" {
  rate  = "10/s"
  scope = "shared"
}
