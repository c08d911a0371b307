-- Sleeping and computing requests in turn: what runs beside the short requests of the scenario "mixed".
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", n % 2 == 0 and "/sleep" or "/compute")
end
