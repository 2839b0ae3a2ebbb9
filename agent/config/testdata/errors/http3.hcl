listener "clear" {
  address = "127.0.0.1:8080"
  http3   = true
}

listener "mesh" {
  address = "127.0.0.1:8081"
  mesh    = true
  http3   = true
}

listener "announced" {
  address         = "127.0.0.1:8443"
  trusted_proxies = ["127.0.0.1"]
  proxy_protocol  = "required"
  http3           = true
  http3_port      = 70000
  http3_max_age   = "500ms"
  early_data      = "sometimes"
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
  }
}

listener "off" {
  address       = "127.0.0.1:8444"
  http3         = false
  http3_port    = 443
  http3_max_age = "1h"
  early_data    = true
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
  }
}

listener "connections" {
  address  = "127.0.0.1:8445"
  protocol = "tcp"
  http3    = true
}
