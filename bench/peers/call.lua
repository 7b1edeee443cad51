-- What wrk sends: one eth_call of about 150 bytes, always the same, which costs
-- wrk nothing to make. At the end it prints one line for run.sh.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"jsonrpc":"2.0","id":1,"method":"eth_call","params":'
  .. '[{"to":"0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48","data":"0x18160ddd"},"latest"]}'

function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %.1f %d %d %d %d\n",
    summary.requests,
    summary.requests / (summary.duration / 1e6), -- a second
    latency:percentile(50), -- microseconds
    latency:percentile(99),
    e.connect + e.read + e.write + e.timeout,
    e.status))
end
