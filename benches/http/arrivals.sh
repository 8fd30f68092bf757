#!/usr/bin/env bash
# Open load: does each client make the requests that were asked for, at what cost of its own processor
# time, and how long does it say they took? Compares crowd's http scenario along a profile with oha
# (a fixed rate, times from when a request was due) and Locust (users of a fixed pace, times from when
# a request was sent), round after round, against an nginx with one worker on this machine.
#
#   benches/http/arrivals.sh [ROUNDS [SECONDS [RATE [USERS]]]]   (5 rounds of 10 s, 1000/s, 100 users)
#
# Environment: CROWD, OHA, LOCUST (the programs; one that is not there is left out, crowd is needed),
# NGINX, PORT. Needs jq.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-5} seconds=${2:-10} rate=${3:-1000} users=${4:-100}
oha=${OHA:-oha} locust=${LOCUST:-locust}
clients=(crowd)
. benches/http/common.sh
add_clients oha locust

client() {
    case $1 in
    crowd) "$crowd" run http "url=$url" arrivals=iterations --stages "${seconds}s: $rate/s max $users" \
        --json "$directory/crowd.json" ;;
    oha) "$oha" -c "$users" -q "$rate" --latency-correction -z "${seconds}s" --no-tui \
        --output-format json "$url" ;;
    locust) RATE=$rate USERS=$users "$locust" -f benches/http/locustfile.py --headless -u "$users" \
        -r "$users" -t "${seconds}s" -H "${url%/}" --json-file "$directory/locust" --only-summary ;;
    esac
}

# What a client says of its last round: p50, p99 and p99.9 in milliseconds.
told() {
    case $1 in
    crowd) jq -r '.actions.request.response | [.p50, .p99, .p999] | @tsv' \
        "$directory/crowd.json" ;;
    oha) jq -r '.latencyPercentiles | [.p50, .p99, .["p99.9"]] | map(. * 1000) | @tsv' "$directory/oha.out" ;;
    # Locust keeps times of two digits, by how often they were.
    locust) jq -r '[.[0].response_times | to_entries[] | [(.key | tonumber), .value]] | sort as $all
        | ($all | map(.[1]) | add) as $count
        | [0.5, 0.99, 0.999] | map(. as $q | reduce $all[] as $one ({sum: 0, at: null};
            .sum += $one[1] | if .at == null and .sum >= $q * $count then .at = $one[0] else . end) | .at)
        | @tsv' "$directory/locust.json" ;;
    esac
}

printf '%-6s %-6s %10s %8s %8s %14s %9s %9s %9s %9s\n' \
    round client requests user system 'per cpu second' 'of asked' p50 p99 p99.9
for ((round = 1; round <= rounds; round++)); do
    for client in "${clients[@]}"; do
        read -r count user system <<<"$(measure "$client")"
        read -r p50 p99 p999 <<<"$(told "$client")"
        awk -v r="$round" -v c="$client" -v n="$count" -v u="$user" -v s="$system" \
            -v asked=$((rate * seconds)) -v p50="$p50" -v p99="$p99" -v p999="$p999" 'BEGIN {
            printf "%-6d %-6s %10d %8.2f %8.2f %14.0f %8.2f%% %9.2f %9.2f %9.2f\n",
                r, c, n, u, s, n / (u + s), 100 * n / asked, p50, p99, p999
        }' | tee -a "$directory/rounds"
    done
done
medians
