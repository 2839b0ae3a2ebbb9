-- What all scripts begin with.
--
-- Numbers here are doubles, which hold whole numbers up to 2^53 exactly: less
-- than the nanoseconds of four months. So a time is two numbers, whole
-- milliseconds and the nanoseconds beyond them, both exact for all times and
-- spans that a limit knows.
--
-- KEYS[1] is the one key that a script touches.
-- ARGV[1] is "take", "peek" or "refund".
-- ARGV[2] and ARGV[3] are the moment of the charge that a refund undoes, else
--         empty: then it is the server's clock that counts, never a client's.
-- ARGV[4] is for how many milliseconds more than it matters a state is kept.
-- ARGV[5] is the cost, ARGV[6] how much more than the cost is taken if it fits:
--         at least the cost.
-- ARGV[7] and on are the algorithm's.
local MS = 1000000
local floor = math.floor

local function now()
  if ARGV[2] ~= '' then
    return tonumber(ARGV[2]), tonumber(ARGV[3])
  end
  local time = redis.call('TIME')
  local us = tonumber(time[2])
  local ms = floor(us / 1000)
  return tonumber(time[1]) * 1000 + ms, (us - ms * 1000) * 1000
end

local function pair(i)
  return tonumber(ARGV[i]), tonumber(ARGV[i + 1])
end

local function less(at, an, bt, bn)
  return at < bt or (at == bt and an < bn)
end

local function add(at, an, bt, bn)
  local n = an + bn
  if n >= MS then
    return at + bt + 1, n - MS
  end
  return at + bt, n
end

local function sub(at, an, bt, bn)
  local n = an - bn
  if n < 0 then
    return at - bt - 1, n + MS
  end
  return at - bt, n
end

-- times is q*(t, n) for a product that is a time.
local function times(q, t, n)
  local hi = floor(q / MS)
  local low = (q - hi * MS) * n
  local carry = floor(low / MS)
  return q * t + hi * n + carry, low - carry * MS
end

-- quotient is a/b rounded down, for a not negative. The division of doubles is
-- off by less than one.
local function quotient(at, an, bt, bn)
  if at < 0 then
    return 0
  end
  local q = floor((at * MS + an) / (bt * MS + bn))
  local pt, pn = times(q, bt, bn)
  if less(at, an, pt, pn) then
    return q - 1
  end
  local rt, rn = sub(at, an, pt, pn)
  if less(rt, rn, bt, bn) then
    return q
  end
  return q + 1
end

local function text(n)
  return string.format('%.0f', n)
end

-- lifetime is for how many milliseconds a state is kept that matters for the
-- time given: the debt of a key never ends before it is paid.
local function lifetime(t)
  return text(math.max(t, 0) + 1 + tonumber(ARGV[4]))
end

local function keep(value, t)
  redis.call('SET', KEYS[1], value, 'PX', lifetime(t))
end

-- fit returns which cost is charged, given what there is room for.
local function fit(room)
  if ARGV[1] ~= 'take' then
    return 0
  end
  local cost, most = tonumber(ARGV[5]), tonumber(ARGV[6])
  if most <= room then
    return most
  elseif cost <= room then
    return cost
  end
  return 0
end
