route "bare" {
  service = "office"
  external_auth {}
}

route "wrong" {
  path    = "/wrong"
  service = "office"
  external_auth {
    url                 = "auth.internal:9000/check"
    timeout             = "2m"
    fail                = "opne"
    headers_to_upstream = ["X-Forwarded-For", "X-User"]
    headers_to_client   = ["Content-Length"]
    cache               = "1d"
    header              = "X-User"
  }
}

route "password" {
  path    = "/password"
  service = "office"
  external_auth {
    url = "http://ada:secret@auth.internal/"
  }
}
