-- sliding_window with precision = "buckets": the state is the index of the part
-- that was charged last, its count, and those of the parts before it.
--
-- ARGV[7], [8] the width of a part
-- ARGV[9]      how many parts make a window
-- ARGV[10]     the limit
local t, n = now()
local wt, wn = pair(7)
local count = tonumber(ARGV[9])
local form = table.concat({ARGV[7], ARGV[8], ARGV[9]}, ':')
local limit = tonumber(ARGV[10])

local current = quotient(t, n, wt, wn)
local index, parts = current, {}

-- shifted returns the parts as seen from a later index.
local function shifted(old, by, count)
  local new = {}
  for i = 0, count do
    new[i] = i >= by and old[i - by] or 0
  end
  return new
end

local function sum(list)
  local s = 0
  for _, c in pairs(list) do
    s = s + c
  end
  return s
end

local value = redis.call('GET', KEYS[1])
if value then
  local was, i, rest = string.match(value, '^(%S+) (%d+)(.*)$')
  if not was then
    return redis.error_reply('ERR not the state of a window in parts')
  end
  local old, size = {}, 0
  for c in string.gmatch(rest, '%d+') do
    old[size] = tonumber(c)
    size = size + 1
  end
  i = tonumber(i)
  if was == form then
    index, parts = i, old
  else
    -- The limit was changed. What is used counts as if it had been used now.
    local a, b = string.match(was, '^(%d+):(%d+):')
    local by = math.max(0, quotient(t, n, tonumber(a), tonumber(b)) - i)
    parts[0] = sum(shifted(old, by, size - 1))
  end
end

local function store()
  local list = {form, text(index)}
  for i = 0, count do
    list[i + 3] = text(parts[i] or 0)
  end
  local et = sub(t, n, times(index + count + 1, wt, wn))
  keep(table.concat(list, ' '), -et)
end

if ARGV[1] == 'refund' then
  -- To the part of the charge.
  local i = index - current
  if i >= 0 and i <= count and (parts[i] or 0) > 0 then
    parts[i] = math.max(0, parts[i] - tonumber(ARGV[5]))
    store()
  end
  return {0, t, n, index}
end

local latest = math.max(index, current)
parts = shifted(parts, latest - index, count)
index = latest
local excess = sum(parts) - limit
for i = count, 0, -1 do
  local few = math.min(math.max(0, excess), parts[i])
  parts[i], excess = parts[i] - few, excess - few
end

local granted = fit(limit - sum(parts))
local reply = {granted, t, n, index}
for i = 0, count do
  reply[i + 5] = parts[i]
end
if granted > 0 then
  parts[0] = parts[0] + granted
  store()
end
return reply
