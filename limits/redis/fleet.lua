-- Which share of a limit's traffic comes through this gateway.
--
-- KEYS[1] is a hash of gateways, each with when it told its demand last and how
--         large it was.
-- ARGV[1] is this gateway
-- ARGV[2] its demand, in units
-- ARGV[3] after how many seconds of silence a gateway is gone
--
-- The reply is the demand of all and how many gateways there are.
local at = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s', at, ARGV[2]))
redis.call('EXPIRE', KEYS[1], 10 * tonumber(ARGV[3]))
local all = redis.call('HGETALL', KEYS[1])
local sum, gateways = 0, 0
for i = 1, #all, 2 do
  local told, demand = string.match(all[i + 1], '^(%d+) (%d+)$')
  if told and at - tonumber(told) <= tonumber(ARGV[3]) then
    sum, gateways = sum + tonumber(demand), gateways + 1
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return {sum, gateways}
