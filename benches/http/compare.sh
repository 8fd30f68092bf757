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
crowd=${CROWD:-target/release/crowd} wrk=${WRK:-wrk} oha=${OHA:-oha}
nginx=${NGINX:-$(PATH=$PATH:/usr/sbin command -v nginx)} port=${PORT:-18088}
url=http://127.0.0.1:$port/

directory=$(mktemp -d)
sed "s|@DIRECTORY@|$directory|; s|@PORT@|$port|" benches/http/nginx.conf >"$directory/nginx.conf"
"$nginx" -p "$directory" -e "$directory/error.log" -c "$directory/nginx.conf" &
server=$!
trap 'kill "$server"; wait "$server" || true; rm -r "$directory"' EXIT
for _ in {1..100}; do
    curl -fs -o /dev/null "${url}status" && break
    sleep 0.1
done

# The requests nginx has taken so far; asking is one of them.
requests() {
    curl -fs "${url}status" | awk 'NR == 3 { print $3 }'
}

client() {
    case $1 in
    crowd) "$crowd" run http --users "$users" --user-rate unlimited --duration "${seconds}s" "url=$url" ;;
    wrk) "$wrk" -t2 "-c$users" "-d${seconds}s" "$url" ;;
    oha) "$oha" -c "$users" -z "${seconds}s" --no-tui "$url" ;;
    esac
}

clients=(crowd)
for other in wrk oha; do
    if command -v "${!other}" >/dev/null; then
        clients+=("$other")
    else
        echo "$other is not installed: left out"
    fi
done

# Requests, seconds of user and system time of one round.
measure() {
    local before after time
    before=$(requests)
    TIMEFORMAT='%U %S'
    # The time is the last line; what the client itself complains about stands before it.
    time=$({ time client "$1" >"$directory/$1.out" 2>"$directory/$1.err"; } 2>&1) || {
        cat "$directory/$1.out" "$directory/$1.err" >&2
        return 1
    }
    after=$(requests)
    echo "$((after - before - 1)) $time"
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

# Medians over the rounds; ratios within each round, so that what slows a round slows both.
awk '
function median(values, count,   i, j, swap) {
    for (i = 2; i <= count; i++)
        for (j = i; j > 1 && values[j] < values[j - 1]; j--) {
            swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap
        }
    return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}
{ rate[$2, $1] = $6; rounds = $1; if (!($2 in known)) { known[$2] = 1; order[++clients] = $2 } }
END {
    print ""
    for (k = 1; k <= clients; k++) {
        for (r = 1; r <= rounds; r++) own[r] = rate[order[k], r]
        printf "median %-6s %26.0f requests per cpu second\n", order[k], median(own, rounds)
    }
    for (k = 2; k <= clients; k++) {
        for (r = 1; r <= rounds; r++) ratio[r] = rate["crowd", r] / rate[order[k], r]
        printf "median crowd / %-6s %18.2f\n", order[k], median(ratio, rounds)
    }
}' "$directory/rounds"
