-- Short requests with a pause of 5 ms after each: a visitor, not a load.
function delay() return 5 end
