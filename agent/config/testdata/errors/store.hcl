listener "public" {
  address = "127.0.0.1:8080"
}

store "memcached" {
}

store "redis" {
  address   = "127.0.0.1:6379"
  addresses = ["127.0.0.1:6379"]
}
