#!/usr/bin/env bash
# How many requests per second of its own processor time does each client make? Compares crowd's
# http scenario with wrk and oha, one after the other and round after round, against an nginx with
# one worker on this machine. nginx counts the requests; the kernel counts the time (user and
# system) of each client.
#
#   benches/http/compare.sh [ROUNDS [SECONDS [USERS]]]      (7 rounds of 5 s with 100 users)
#
# Environment: CROWD, WRK, OHA (the programs; a client that is not there is left out, crowd is
# needed), NGINX, PORT.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-7} seconds=${2:-5} users=${3:-100}
wrk=${WRK:-wrk} oha=${OHA:-oha}
clients=(crowd)
. benches/http/common.sh
add_clients wrk oha

client() {
    case $1 in
    crowd) "$crowd" run http --users "$users" --user-rate unlimited --duration "${seconds}s" "url=$url" ;;
    wrk) "$wrk" -t2 "-c$users" "-d${seconds}s" "$url" ;;
    oha) "$oha" -c "$users" -z "${seconds}s" --no-tui "$url" ;;
    esac
}

printf '%-6s %-6s %10s %8s %8s %14s\n' round client requests user system 'per cpu second'
for ((round = 1; round <= rounds; round++)); do
    for client in "${clients[@]}"; do
        read -r count user system <<<"$(measure "$client")"
        awk -v r="$round" -v c="$client" -v n="$count" -v u="$user" -v s="$system" 'BEGIN {
            printf "%-6d %-6s %10d %8.2f %8.2f %14.0f\n", r, c, n, u, s, n / (u + s)
        }' | tee -a "$directory/rounds"
    done
done
medians
