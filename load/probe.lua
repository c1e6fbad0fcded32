-- A script for wrk: posts the lines of a file in turn and prints the counts as a line of JSON.
local bodies = {}
local number = 0

function init(args)
  -- The second file holds the headers, one "name: value" a line.
  local headers = {}
  for line in io.lines(args[2]) do
    local name, value = line:match("^([^:]+): (.*)$")
    headers[name] = value
  end
  for line in io.lines(args[1]) do
    bodies[#bodies + 1] = wrk.format("POST", nil, headers, line)
  end
end

function request()
  number = number % #bodies + 1
  return bodies[number]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers": %d, "seconds": %.6f, "refused": %d, "failed": %d, "p95_ms": %.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(95) / 1000
  ))
end
