-- token_bucket and leaky_bucket: the state is the theoretical arrival time.
--
-- ARGV[7], [8]   the interval
-- ARGV[9], [10]  the debt of a key that has nothing left
-- ARGV[11], [12] the debt that the cost makes
-- ARGV[13], [14] the debt that ARGV[6] makes
local t, n = now()
local it, inn = pair(7)
local ft, fn = pair(9)
local form = table.concat({ARGV[7], ARGV[8], ARGV[9], ARGV[10]}, ':')

local at, an = 0, 0 -- the debt
local value = redis.call('GET', KEYS[1])
if value then
  local st, sn, was, wt, wn = string.match(value, '^(%d+) (%d+) ((%d+):(%d+):%S+)$')
  if not st then
    return redis.error_reply('ERR not the state of a bucket')
  end
  if less(t, n, tonumber(st), tonumber(sn)) then
    at, an = sub(tonumber(st), tonumber(sn), t, n)
    if was ~= form then
      -- The limit was changed. The units spent stay spent, rounded up, and come
      -- back at the new rate; no more than there are.
      local ratio = (it * MS + inn) / (tonumber(wt) * MS + tonumber(wn))
      if ratio ~= 1 then
        local debt = (at * MS + an) * ratio * (1 + 2 ^ -50)
        at = floor(debt / MS)
        an = math.min(math.ceil(debt - at * MS), MS - 1)
      end
      if less(ft, fn, at, an) then
        at, an = ft, fn
      end
    end
  end
end

local function store(dt, dn)
  local tt, tn = add(t, n, dt, dn)
  keep(text(tt) .. ' ' .. text(tn) .. ' ' .. form, dt)
end

local ct, cn = pair(11)
if ARGV[1] == 'refund' then
  if at > 0 or an > 0 then
    if less(ct, cn, at, an) then
      store(sub(at, an, ct, cn))
    else
      store(0, 0)
    end
  end
  return {0, t, n, at, an}
end

-- admits charges a debt if there is room for it.
local function admits(dt, dn)
  local rt, rn = sub(ft, fn, dt, dn)
  if less(rt, rn, at, an) then
    return false
  end
  store(add(at, an, dt, dn))
  return true
end

local granted = 0
if ARGV[1] == 'take' then
  if admits(pair(13)) then
    granted = tonumber(ARGV[6])
  elseif admits(ct, cn) then
    granted = tonumber(ARGV[5])
  end
end
return {granted, t, n, at, an}
