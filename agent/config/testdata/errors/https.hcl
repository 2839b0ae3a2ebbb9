listener "tls" {
  address           = "127.0.0.1:8443"
  redirect_to_https = true
  redirect_port     = 70000
  hsts              = "includeSubDomains"
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
  }
}

listener "clear" {
  address           = "127.0.0.1:8080"
  redirect_to_https = "perhaps"
  hsts              = "max-age=60"
}

listener "behind" {
  address         = "127.0.0.1:8081"
  trusted_proxies = ["127.0.0.1"]
  hsts            = "max-age=60; preload"
}
