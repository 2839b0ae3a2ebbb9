-- sliding_window with precision = "log": the state is a list. Its head is the
-- latest moment that was charged at and the window; the rest are the moments at
-- which units were admitted, in order.
--
-- ARGV[7], [8] the window
-- ARGV[9]      the limit
local t, n = now()
local wt, wn = pair(7)
local form = ARGV[7] .. ':' .. ARGV[8]
local limit = tonumber(ARGV[9])

local function moment(s)
  local a, b = string.match(s, '^(%d+) (%d+)')
  return tonumber(a), tonumber(b)
end

local function element(i)
  return moment(redis.call('LINDEX', KEYS[1], i))
end

local function line(t, n)
  return text(t) .. ' ' .. text(n)
end

local lt, ln = t, n -- no caller is earlier than this
local units = redis.call('LLEN', KEYS[1]) - 1
local head = units >= 0 and redis.call('LINDEX', KEYS[1], 0)
if head then
  local st, sn = moment(head)
  if less(lt, ln, st, sn) then
    lt, ln = st, sn
  end
end

-- upTo counts the units up to and including a moment.
local function upTo(t, n)
  local lo, hi = 0, units
  while lo < hi do
    local mid = floor((lo + hi) / 2)
    if less(t, n, element(mid + 1)) then
      hi = mid
    else
      lo = mid + 1
    end
  end
  return lo
end

-- push appends a moment so many times. What is left of the list's lifetime
-- counts from now.
local function push(value, times)
  local many = {}
  for i = 1, times do
    many[i] = value
  end
  redis.call('RPUSH', KEYS[1], unpack(many))
end

local function hold(wt)
  local at = sub(lt, ln, t, n)
  redis.call('PEXPIRE', KEYS[1], lifetime(wt + at + 1))
end

if head and string.match(head, '%S+$') ~= form then
  -- The limit was changed. A shorter window makes each unit younger in
  -- proportion, so that none leaves because of the change.
  local a, b = string.match(head, '(%d+):(%d+)$')
  local ratio = math.min(1, (wt * MS + wn) / (tonumber(a) * MS + tonumber(b)))
  local list = redis.call('LRANGE', KEYS[1], 1, -1)
  redis.call('DEL', KEYS[1])
  redis.call('RPUSH', KEYS[1], line(lt, ln) .. ' ' .. form)
  for _, s in ipairs(list) do
    local at, an = sub(lt, ln, moment(s))
    local age = floor((at * MS + an) * ratio * (1 - 2 ^ -50))
    local ms = floor(age / MS)
    redis.call('RPUSH', KEYS[1], line(sub(lt, ln, ms, age - ms * MS)))
  end
  hold(wt)
end

if ARGV[1] == 'refund' then
  -- The newest units up to the moment of the charge.
  local last = head and upTo(t, n) or 0
  local few = math.min(tonumber(ARGV[5]), last)
  if few > 0 then
    local later = redis.call('LRANGE', KEYS[1], last + 1, -1)
    redis.call('LTRIM', KEYS[1], 0, last - few)
    for _, s in ipairs(later) do
      redis.call('RPUSH', KEYS[1], s)
    end
  end
  return {0, t, n}
end

local gone = 0
if head then
  gone = math.max(upTo(sub(lt, ln, wt, wn)), units - limit)
end
local used = head and units - gone or 0

local ot, on, nt, nn, bt, bn = 0, 0, 0, 0, 0, 0
if used > 0 then
  ot, on = element(gone + 1)
  nt, nn = element(units)
end
local cost = tonumber(ARGV[5])
if cost <= limit and used + cost > limit then
  bt, bn = element(gone + used + cost - limit)
end

local granted = fit(limit - used)
if granted > 0 then
  local first = line(lt, ln) .. ' ' .. form
  if head then
    if gone > 0 then
      redis.call('LTRIM', KEYS[1], gone, -1) -- what has gone last becomes the head
    end
    redis.call('LSET', KEYS[1], 0, first)
  else
    redis.call('RPUSH', KEYS[1], first)
  end
  push(line(lt, ln), granted)
  hold(wt)
end
return {granted, t, n, lt, ln, used, ot, on, nt, nn, bt, bn}
