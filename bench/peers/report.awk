# Reads lines of
#   round connections proxy requests/s p50_us p99_us cpu_us_per_request
# and prints medians over the rounds. Ratios are taken within a round, whose
# halves ran within seconds of each other, and then their median: single figures
# of a busy machine move by 15 %, ratios far less.
function sort(a, n,   i, j, v) {
  for (i = 2; i <= n; i++) {
    v = a[i]
    for (j = i - 1; j >= 1 && a[j] > v; j--) a[j + 1] = a[j]
    a[j + 1] = v
  }
}
# collect sets sorted[1..rounds] to column of proxy, over column of base if given.
function collect(conns, column, proxy, base,   r) {
  for (r = 1; r <= rounds; r++)
    sorted[r] = value[r, conns, proxy, column] / (base == "" ? 1 : value[r, conns, base, column])
  sort(sorted, rounds)
}
function median() {
  return rounds % 2 ? sorted[(rounds + 1) / 2] : (sorted[rounds / 2] + sorted[rounds / 2 + 1]) / 2
}
# row compares proxy with base; sign is 1 if more is better, -1 if less is.
function row(conns, name, column, proxy, base, sign, target,   a, b, ratio, verdict) {
  collect(conns, column, base); a = median()
  collect(conns, column, proxy); b = median()
  collect(conns, column, proxy, base); ratio = median()
  verdict = ""
  if (target)
    verdict = sprintf("%s %.2f %s", sign > 0 ? ">=" : "<=", target,
      sign * ratio >= sign * target ? "reached" : "MISSED")
  printf "%11d  %-22s %9.1f %9.1f   %.2f (%.2f to %.2f)   %s\n",
    conns, name, a, b, ratio, sorted[1], sorted[rounds], verdict
}
{
  if ($1 > rounds) rounds = $1
  if (!($2 in seen)) { seen[$2]; order[++sizes] = $2 }
  for (i = 4; i <= NF; i++) value[$1, $2, $3, i] = $i
}
END {
  printf "%11s  %-22s %9s %9s   %s\n", "connections", "medians", "nginx", "gateway", "ratio (spread)"
  for (s = 1; s <= sizes; s++) {
    c = order[s]
    row(c, "requests/s", 4, "gateway", "nginx", 1, c <= 64 ? 0.95 : 0.80)
    row(c, "p50 us", 5, "gateway", "nginx", -1)
    row(c, "p99 us", 6, "gateway", "nginx", -1, 1.3)
    row(c, "CPU us/request", 7, "gateway", "nginx", -1)
  }
  printf "\n%11s  %-22s %9s %9s   %s\n", "connections", "medians", "200", "429", "ratio (spread)"
  for (s = 1; s <= sizes; s++) {
    c = order[s]
    row(c, "requests/s", 4, "refused", "gateway", 1, 1)
    row(c, "CPU us/request", 7, "refused", "gateway", -1)
  }
}
