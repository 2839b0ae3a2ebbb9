defaults {
  security_headers {
    frame_options = "deny"
    hsts          = "max-age=1y"
  }
}

route "a" {
  service = "a"
  security_headers {
    content_security_policy = "a\nb"
    referrer_policy         = "none"
    hsts                    = "max-age=10; preload"
  }
}

route "b" {
  path    = "/b"
  service = "b"
  security_headers {
    hsts = "max-age=10; preload"
  }
}
