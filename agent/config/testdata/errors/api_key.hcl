route "both" {
  service = "office"
  basic_auth {
    users_file = "absent"
  }
  api_key {
    keys_file = "absent"
  }
}

route "bare" {
  path    = "/bare"
  service = "office"
  api_key {}
}

route "query" {
  path    = "/query"
  service = "office"
  api_key {
    keys_file   = "../lists/api.keys"
    query       = "key"
    header      = "X-Key"
    name_header = "Forwarded"
  }
}

route "warned" {
  path    = "/warned"
  service = "office"
  api_key {
    keys_file = "../lists/good.keys"
    query     = "key"
  }
}
