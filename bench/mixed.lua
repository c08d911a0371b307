-- Long computing requests between short ones.
local n = 0
request = function()
  n = n + 1
  if n % 10 == 0 then return wrk.format("GET", "/flood") end
  if n % 3 == 0 then return wrk.format("GET", "/sleep") end
  return wrk.format("GET", "/hello")
end
