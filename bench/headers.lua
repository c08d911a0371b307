-- 200 request headers.
for i = 1, 198 do wrk.headers["X-Header-" .. i] = "value number " .. i end
