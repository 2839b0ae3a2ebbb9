# Three instances; each request goes to the one with the fewest under way.
route "orders" {
  path_prefix = "/orders"
  methods     = ["GET", "POST"]
  service     = "orders"
  balance     = "least_conn"
}

# The service sees /42, not /users/42, and each address has five requests.
route "users" {
  path_prefix  = "/users"
  service      = "users"
  strip_prefix = "/users"
  limits       = ["handful"]
}

# A whole host, whatever the path.
route "web" {
  hosts       = ["web.localhost"]
  path_prefix = "/"
  service     = "web"
}

# A service that nobody has registered (yet).
route "billing" {
  path_prefix = "/billing"
  service     = "billing"
}
