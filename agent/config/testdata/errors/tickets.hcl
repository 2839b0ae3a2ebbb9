listener "absent" {
  address = "127.0.0.1:1"
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
    session_ticket_key_file = "../tls/absent.secrets"
  }
}

listener "short" {
  address = "127.0.0.1:2"
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
    session_ticket_key_file = "../tls/short.secrets"
  }
}

listener "twice" {
  address = "127.0.0.1:3"
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
    session_ticket_key_file = "../tls/twice.secrets"
  }
}

listener "text" {
  address = "127.0.0.1:4"
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
    session_ticket_key_file = "../tls/README"
  }
}

listener "literal" {
  address = "127.0.0.1:5"
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
    session_ticket_key = "hunter2"
  }
}
