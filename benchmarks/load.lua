-- What wrk sends.  Arguments: scenario, base path, first id, count of tasks, list path, different requests, workspaces.
-- With a number of workspaces, %d in paths is one of them by chance.  A list path of the form @FILE stands for the lines
-- of a file.
-- The requests are put together beforehand, so that the client's own cost stays small.
local requests, turn = {}, 0

local function create(path, number)
  local headers = {["Content-Type"] = "application/json"}
  return wrk.format("POST", path, headers, string.format('{"description": "task number %06d"}', number))
end

function init(arguments)
  local scenario, base, list = arguments[1], arguments[2], arguments[5]
  local first, count = tonumber(arguments[3]), tonumber(arguments[4])
  local workspaces = tonumber(arguments[7] or 0)
  local lists = {list}
  if list:sub(1, 1) == "@" then
    lists = {}
    for line in io.lines(list:sub(2)) do lists[#lists + 1] = line end
  end
  math.randomseed(7)
  local function within(path) return workspaces > 0 and path:gsub("%%d", math.random(1, workspaces)) or path end
  local function read() return wrk.format("GET", within(base) .. (first + math.random(0, count - 1))) end
  for number = 1, tonumber(arguments[6]) do
    if scenario == "list" then requests[number] = wrk.format("GET", within(lists[number % #lists + 1]))
    elseif scenario == "create" or (scenario == "mixed" and number % 5 == 0) then
      requests[number] = create(within(base), number)
    else requests[number] = read() end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
