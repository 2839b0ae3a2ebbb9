listener "none" {
  address        = "127.0.0.1:1"
  proxy_protocol = "required"
  tls {
  }
}

listener "wrong" {
  address         = "127.0.0.1:2"
  proxy_protocol  = "on"
  trusted_proxies = ["10.0.0.0/8"]
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/other.key"
    }
    certificate {
      cert_file = "../tls/good.key"
      key_file  = "../tls/good.key"
    }
    certificate {
      cert_file = "../tls/absent.pem"
      key_file  = "../tls/good.key"
    }
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls"
    }
    certificate {
      cert_file = ""
    }
    certificate {
      cert_file = "../tls/expired.pem"
      key_file  = "../tls/expired.key"
    }
    min_version    = "1.1"
    client_ca_file = "../tls/good.key"
    ciphers        = []
  }
}

listener "twice" {
  address = "127.0.0.1:3"
  tls {
  }
  tls {
  }
}

route "wrong" {
  service = "a"
  upstream_tls {
    ca_file              = "../tls/README"
    server_name          = "inner:443"
    cert_file            = "../tls/good.pem"
    insecure_skip_verify = true
  }
}

route "pair" {
  path    = "/pair"
  service = "a"
  upstream_tls {
    cert_file = "../tls/good.pem"
    key_file  = "../tls/other.key"
  }
}

route "key" {
  path    = "/key"
  service = "a"
  upstream_tls {
    key_file = "../tls/good.key"
  }
}
