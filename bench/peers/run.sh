#!/usr/bin/env bash
# Measures the whole gateway (key, allowlists, limits, metering to disk) against
# nginx as a reverse proxy, on two cores of this machine and on loopback alone:
# each proxy in turn on core 0, the load (wrk) and a fixed answer on core 1.
#
#   make bench-peers
#   ROUNDS=5 DURATION=5 CONNECTIONS='64 512' bench/peers/run.sh
#
# Exits 1 if any answer was not the one expected; missed targets are printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

ROUNDS=${ROUNDS:-5}
DURATION=${DURATION:-5} # seconds of each measurement
CONNECTIONS=${CONNECTIONS:-64 512}
POKTAI=${POKTAI:-$PWD/../../bin/poktai}

proxy_core=0
load_core=1
PATH=$PATH:/usr/sbin
dir=$(mktemp -d)
pids=()

stop() {
  # Only what was started here, the last first.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 130' INT TERM

fail() {
  echo "run.sh: $*" >&2
  tail -n 20 "$dir"/*.log >&2 2>/dev/null || true
  exit 1
}

# free_port prints a port below the ephemeral ones that nothing listens on.
free_port() {
  local port
  while port=$(shuf -i 20000-29999 -n 1); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# fill writes a template to $dir with each @NAME@ replaced by the variable NAME.
fill() {
  local text name
  text=$(<"$1")
  for name in $(grep -o '@[A-Z_]*@' "$1" | tr -d @ | sort -u); do
    text=${text//"@$name@"/${!name}}
  done
  printf '%s\n' "$text" >"$dir/$1"
}

# answers waits until POST to a URL gives the status.
answers() {
  local url=$1 status=$2 i
  for ((i = 0; i < 200; i++)); do
    [ "$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
      -d '{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[]}' "$url")" = "$status" ] && return
    sleep 0.05
  done
  fail "no $status from ${url%/*}"
}

start_nginx() { # config core
  taskset -c "$2" nginx -p "$dir" -c "$1" -e "$dir/nginx.log" "${as[@]}" &
  pids+=($!)
}

poktai() { (cd "$dir" && "$POKTAI" "$@" --config gateway.yaml); }

# field prints the value of a field of a JSON object.
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# relay_url makes a key with limits and allowlists and prints its URL.
relay_url() { # calls a second
  local token
  token=$(poktai key create --org "$org" --name "peers-$1" --json \
    --calls-per-second "$1" --cu-per-second 1000000000 \
    --allow-ip 127.0.0.0/8 --allow-method 'eth_*' | field token)
  echo "http://127.0.0.1:$GATEWAY_PORT/v1/dev/$token"
}

# cpu prints the ticks of processor time that a process has used.
cpu() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# measure appends one line to the results: round connections proxy pid url status
measure() {
  local round=$1 connections=$2 proxy=$3 pid=$4 url=$5 want=$6
  local before after line requests rate p50 p99 broken refused unexpected tolerated
  before=$(cpu "$pid")
  line=$(taskset -c "$load_core" timeout "$((DURATION + 30))" \
    wrk -t 1 -c "$connections" -d "${DURATION}s" -s call.lua "$url" | grep '^RESULT') ||
    fail "wrk failed on $proxy"
  after=$(cpu "$pid")
  read -r _ requests rate p50 p99 broken refused <<<"$line"
  # A key without calls left lets one through now and then.
  if [ "$want" = 429 ]; then
    unexpected=$((requests - refused)) tolerated=$((requests / 1000))
  else
    unexpected=$refused tolerated=0
  fi
  if [ "$broken" != 0 ] || ((unexpected > tolerated)); then
    fail "$proxy at $connections connections: $broken broken connections, $unexpected of $requests answers were not $want"
  fi
  [ "$proxy" = nginx ] || served=$((served + requests))
  [ "$round" = 0 ] && return # only to warm up
  awk -v r="$round" -v c="$connections" -v p="$proxy" -v n="$requests" -v rate="$rate" -v p50="$p50" -v p99="$p99" \
    -v ticks="$((after - before))" -v hz="$(getconf CLK_TCK)" \
    'BEGIN { print r, c, p, rate, p50, p99, ticks * 1e6 / hz / n }' | tee -a "$dir/results"
}

# A master that is root would give its worker away to a user who cannot write to $dir.
as=()
[ "$(id -u)" != 0 ] || as=(-g 'user root;')
ulimit -n 8192

UPSTREAM_PORT=$(free_port)
NGINX_PORT=$(free_port)
cp temporary.conf "$dir"
fill upstream.conf
fill nginx.conf
start_nginx upstream.conf "$load_core"
answers "http://127.0.0.1:$UPSTREAM_PORT/" 200
start_nginx nginx.conf "$proxy_core"
answers "http://127.0.0.1:$NGINX_PORT/" 200
nginx_pid=$(pgrep -P "${pids[-1]}")

GATEWAY_PORT=$(free_port)
PRIVATE_PORT=$(free_port)
DEVCHAIN_PORT=$(free_port)
fill gateway.yaml
(cd "$dir" && GOMAXPROCS=1 exec taskset -c "$proxy_core" "$POKTAI" up --config gateway.yaml >gateway.log 2>&1) &
gateway_pid=$!
pids+=("$gateway_pid")
answers "http://127.0.0.1:$GATEWAY_PORT/v1/dev" 401
poktai plan set peers --monthly-cu 1000000000000000 >/dev/null
org=$(poktai org create peers --plan peers --json | field id)
open_url=$(relay_url 1000000000)
limited_url=$(relay_url 1)
answers "$open_url" 200
answers "$limited_url" 429

served=0 # by the gateway, refusals too
echo "round connections proxy requests/s p50_us p99_us cpu_us/request"
for ((round = 0; round <= ROUNDS; round++)); do
  for connections in $CONNECTIONS; do
    order=(nginx gateway refused)
    ((round % 2)) && order=(refused gateway nginx)
    for proxy in "${order[@]}"; do
      case $proxy in
      nginx) measure "$round" "$connections" nginx "$nginx_pid" "http://127.0.0.1:$NGINX_PORT/" 200 ;;
      gateway) measure "$round" "$connections" gateway "$gateway_pid" "$open_url" 200 ;;
      refused) measure "$round" "$connections" refused "$gateway_pid" "$limited_url" 429 ;;
      esac
    done
  done
done

# Whether metering was really on: wrk does not count what it cut off at the end of
# a round, so there may be more events than answers, and never fewer.
kill "$gateway_pid"
wait "$gateway_pid" || fail "the gateway did not stop cleanly"
unset 'pids[-1]'
metered=$(poktai usage --org "$org" --by status --json | awk -F '[:,]' '/"calls"/ { calls = $2 } END { print calls + 0 }')
echo
echo "$served answers of the gateway, $metered events"
((metered >= served)) || fail "events are missing"
echo
awk -f report.awk "$dir/results"
