listener "public" {
  address = "127.0.0.1:8080"
}

store "redis" {
  addresses = ["127.0.0.1", "a:1", "b:1"]
  username  = "lictor"
  password  = "hunter2"
  db        = 3
  prefix    = ""
  timeout   = "1us"
  gateways  = 0
  tls {
    ca_file   = "../tls/missing.pem"
    cert_file = "../tls/good.pem"
  }
}

limit "token_bucket" "fleet" {
  rate  = "10/s"
  scope = "fleet_share"
}
