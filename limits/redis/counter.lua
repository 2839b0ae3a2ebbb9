-- sliding_window with precision = "counter": the state is the index of the
-- window that was charged last, its count and that of the window before.
--
-- ARGV[7], [8] the window
-- ARGV[9]      the limit
local t, n = now()
local wt, wn = pair(7)
local form = ARGV[7] .. ':' .. ARGV[8]
local limit = tonumber(ARGV[9])

-- product is the limbs of q*(t, n), from the lowest, for a product that is no
-- time any more.
local function product(q, t, n)
  local limbs, carry = {}, 0
  for i, part in ipairs({n, t % MS, floor(t / MS) % MS, floor(t / MS / MS)}) do
    local v = q * part + carry
    carry = floor(v / MS)
    limbs[i] = v - carry * MS
  end
  limbs[5] = carry
  return limbs
end

local function atMost(a, b)
  for i = 5, 1, -1 do
    if a[i] ~= b[i] then
      return a[i] < b[i]
    end
  end
  return true
end

-- left is what remains of a window at the moment, all of it for who comes late.
local function left(index, wt, wn)
  local st, sn = times(index, wt, wn)
  if less(t, n, st, sn) then
    return wt, wn
  end
  return sub(wt, wn, sub(t, n, st, sn))
end

-- turned is the state as it stands at the moment.
local function turned(i, prev, cur, wt, wn)
  local current = quotient(t, n, wt, wn)
  if current == i + 1 then
    return current, cur, 0
  elseif current > i then
    return current, 0, 0
  end
  return i, prev, cur
end

local current = quotient(t, n, wt, wn)
local index, prev, cur = current, 0, 0
local value = redis.call('GET', KEYS[1])
if value then
  local i, p, c, was, a, b = string.match(value, '^(%d+) (%d+) (%d+) ((%d+):(%d+))$')
  if not i then
    return redis.error_reply('ERR not the state of a sliding counter')
  end
  i, p, c = tonumber(i), tonumber(p), tonumber(c)
  if was == form then
    index, prev, cur = i, p, c
  else
    -- The limit was changed. What is used counts as if it had been used now.
    a, b = tonumber(a), tonumber(b)
    i, p, c = turned(i, p, c, a, b)
    local lt, ln = left(i, a, b)
    cur = c + math.min(p, floor(p * (lt * MS + ln) / (a * MS + b)) + 1)
  end
  if cur > limit then
    cur = limit
  end
end

local function store()
  local et = sub(t, n, times(index + 2, wt, wn))
  keep(table.concat({text(index), text(prev), text(cur), form}, ' '), -et)
end

if ARGV[1] == 'refund' then
  -- To the window of the charge, which may have become the previous one.
  local cost = tonumber(ARGV[5])
  if value and current == index then
    cur = math.max(0, cur - cost)
    store()
  elseif value and current == index - 1 then
    prev = math.max(0, prev - cost)
    store()
  end
  return {0, t, n, index, prev, cur}
end

index, prev, cur = turned(index, prev, cur, wt, wn)
-- A cost fits if prev*left <= (limit - cur - cost)*window.
local lt, ln = left(index, wt, wn)
local fading = product(prev, lt, ln)
local function fits(cost)
  local room = limit - cur - cost
  return room >= 0 and atMost(fading, product(room, wt, wn))
end
local granted = 0
if ARGV[1] == 'take' then
  for _, cost in ipairs({tonumber(ARGV[6]), tonumber(ARGV[5])}) do
    if granted == 0 and fits(cost) then
      granted = cost
    end
  end
end
local before = cur
if granted > 0 then
  cur = cur + granted
  store()
end
return {granted, t, n, index, prev, before}
