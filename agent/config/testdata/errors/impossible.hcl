# Limits that could let nothing pass, or more than can be computed or kept.

limit "token_bucket" "nothing" {
  rate = "0/s"
}

limit "token_bucket" "too_fast" {
  rate = "2000000000/s"
}

limit "token_bucket" "too_deep" {
  rate  = "1/d"
  burst = 36501
}

limit "token_bucket" "overflow" {
  rate  = "1/s"
  burst = 9223372036854775807
}

limit "leaky_bucket" "too_long_a_queue" {
  rate  = "1/d"
  queue = 36500
}

limit "leaky_bucket" "both" {
  rate     = "1/s"
  capacity = 3
  queue    = 3
}

limit "leaky_bucket" "dear" {
  rate = "1/s"
  cost = 2
}

limit "fixed_window" "nothing_at_all" {
  limit  = 0
  window = "1m"
}

limit "fixed_window" "too_short" {
  limit  = 1
  window = "999us"
}

limit "fixed_window" "too_many" {
  limit  = 524288
  window = "1ms"
}

limit "fixed_window" "too_long" {
  limit  = 1
  window = "36501d"
}

limit "fixed_window" "too_late" {
  limit  = 1
  window = "1h"
  offset = "1h"
}

limit "fixed_window" "dearer" {
  limit  = 5
  window = "1m"
  cost   = 6
}

limit "sliding_window" "too_long_a_log" {
  limit     = 1001
  window    = "1h"
  precision = "log"
}

limit "sliding_window" "too_large_a_count" {
  limit  = 4294967296
  window = "1h"
}

limit "sliding_window" "too_many_a_moment" {
  limit     = 262144
  window    = "1ms"
  precision = "buckets"
}

limit "sliding_window" "too_fine" {
  limit     = 100
  window    = "1m"
  precision = "buckets"
  buckets   = 61
}

limit "sliding_window" "dearest" {
  limit  = 100
  window = "1m"
  cost   = 101
}
