listener "must" {
  address = "127.0.0.1:1"
  tls {
    certificate {
      cert_file = "../tls/staple.pem"
      key_file  = "../tls/staple.key"
    }
  }
}

listener "off" {
  address = "127.0.0.1:2"
  tls {
    certificate {
      cert_file = "../tls/staple.pem"
      key_file  = "../tls/staple.key"
    }
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
    ocsp_stapling = false
  }
}

listener "wrong" {
  address = "127.0.0.1:3"
  tls {
    certificate {
      cert_file = "../tls/staple.pem"
      key_file  = "../tls/other.key"
    }
    ocsp_stapling = "on"
  }
}

listener "misspelt" {
  address = "127.0.0.1:4"
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
    ocsp_staple = true
  }
}
