limit "fixed_window" "per_user" {
  limit  = 10
  window = "1m"
  key    = [user]
}

limit "fixed_window" "per_name" {
  limit  = 10
  window = "1m"
  key    = [user.name]
}

route "none" {
  service = "office"
  limits  = ["per_user"]
}

route "bare" {
  path    = "/bare"
  service = "office"
  basic_auth {}
}

route "strange" {
  path    = "/strange"
  service = "office"
  basic_auth {
    users_file = "../lists/users.htpasswd"
    realm      = "the \"office\""
    header     = "X-Forwarded-For"
    forwrad    = true
  }
}

route "absent" {
  path    = "/absent"
  service = "office"
  limits  = ["per_user"]
  basic_auth {
    users_file = "absent.htpasswd"
    header     = "X User"
  }
}
