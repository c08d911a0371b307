-- As many request headers as httpd accepts by default (LimitRequestFields 100).
for i = 1, 90 do wrk.headers["X-Header-" .. i] = "value number " .. i end
