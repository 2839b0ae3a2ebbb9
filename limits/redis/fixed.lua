-- fixed_window: the state is the index of the window that was charged last, and
-- how much of it is used.
--
-- ARGV[7], [8]  the window
-- ARGV[9], [10] how much later than the Unix epoch the key's windows begin,
--               less than a window
-- ARGV[11]      the limit
local t, n = now()
local wt, wn = pair(7)
local form = table.concat({ARGV[7], ARGV[8], ARGV[9], ARGV[10]}, ':')
local limit = tonumber(ARGV[11])

-- elapsed is the time since the window before the epoch's began, so that no
-- index is negative.
local function elapsed(wt, wn, st, sn)
  return add(wt, wn, sub(t, n, st, sn))
end

local et, en = elapsed(wt, wn, pair(9))
local current = quotient(et, en, wt, wn)
local index, used = current, 0
local value = redis.call('GET', KEYS[1])
if value then
  local i, c, was, a, b, x, y = string.match(value, '^(%d+) (%d+) ((%d+):(%d+):(%d+):(%d+))$')
  if not i then
    return redis.error_reply('ERR not the state of a window')
  end
  i, c = tonumber(i), tonumber(c)
  if was == form then
    if i >= current then -- who comes late counts in the newest window known
      index, used = i, c
    end
  else
    -- The limit was changed. What was used of the old window is used of the new.
    a, b, x, y = tonumber(a), tonumber(b), tonumber(x), tonumber(y)
    local ot, on = elapsed(a, b, x, y)
    if i >= quotient(ot, on, a, b) then
      used = c
    end
  end
end
used = math.min(used, limit)

local function store()
  local et2, en2 = sub(et, en, times(index + 1, wt, wn))
  keep(text(index) .. ' ' .. text(used) .. ' ' .. form, -et2)
end

if ARGV[1] == 'refund' then
  if used > 0 and index == current then
    used = math.max(0, used - tonumber(ARGV[5]))
    store()
  end
  return {0, t, n, index, used}
end

local before, granted = used, fit(limit - used)
if granted > 0 then
  used = used + granted
  store()
end
return {granted, t, n, index, before}
