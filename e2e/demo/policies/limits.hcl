# Every request, whatever its path: one address may not ask more than this.
limit "token_bucket" "flood" {
  rate  = "1000/s"
  burst = 2000
  key   = [client.ip]
}

gateway {
  limits = ["flood"]
}

# The four algorithms, each at two requests a second for each address. What
# differs is the shape in which they let them through.

# Four at once, then one each half second.
limit "token_bucket" "tokens" {
  rate  = "2/s"
  burst = 4
  key   = [client.ip]
}

# One each half second, from the first on: five may wait for their turn.
limit "leaky_bucket" "queue" {
  rate  = "2/s"
  queue = 5
  key   = [client.ip]
}

# Four in each window of two seconds, all of them again at its edge.
limit "fixed_window" "fixed" {
  limit  = 4
  window = "2s"
  key    = [client.ip]
}

# Four in the trailing two seconds: they come back one by one.
limit "sliding_window" "sliding" {
  limit  = 4
  window = "2s"
  key    = [client.ip]
}

# A budget that belongs to a person and not to an address.
limit "token_bucket" "per_user" {
  rate  = "3/h"
  burst = 3
  key   = [jwt.sub]
}
