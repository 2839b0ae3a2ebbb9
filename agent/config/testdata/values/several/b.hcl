listener "public" {
  address = "127.0.0.1:0"
}

limit "sliding_window" "late" {
  limit  = 5
  window = "1s"
}

route "a" {
  path    = "/a"
  service = "a"
}
