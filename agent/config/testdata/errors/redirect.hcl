route "anywhere" {
  redirect {
    to = "https://{host}{path}"
  }
}

route "nowhere" {
  path = "/a"
  redirect {
    status = 404
  }
}

route "somewhere" {
  hosts        = ["example.com"]
  path_pattern = "/{id}"
  redirect {
    to     = "https://{jwt.sub}.example.com/{path.ix}"
    status = 300
  }
  redirect {
    to = "/b"
  }
}
