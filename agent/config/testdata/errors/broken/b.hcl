limit "token_bucket" "in_b" {
  rate = "10/s
}
