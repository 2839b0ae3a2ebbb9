gateway {
  ip_access {
    deny_file = "absent.txt"
  }
  jwt {
    provider = "main"
  }
}

defaults {
  ip_access {}
}

route "office" {
  service = "office"
  ip_access {
    allow = ["10.0.0.1/8", "localhost", "::ffff:10.0.0.0/104"]
    deny  = ["10.0.0.0/8"]
  }
}

route "twice" {
  path    = "/twice"
  service = "office"
  ip_access {
    allow = ["10.0.0.0/8"]
    deny  = ["10.0.0.0/8"]
  }
  ip_access {
    allow = ["10.0.0.0/8"]
  }
}

route "list" {
  path    = "/list"
  service = "office"
  ip_access {
    allow_file = "../lists/broken.txt"
  }
}
