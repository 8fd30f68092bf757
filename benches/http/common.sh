# What the comparisons of HTTP clients share: the server, the requests it counts, and a client's time.
# To be sourced in the project's folder by a script that has set `clients`.

crowd=${CROWD:-target/release/crowd}
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

# Adds those of these programs to `clients` that are there; each is named by a variable.
add_clients() {
    for other in "$@"; do
        if command -v "${!other}" >/dev/null; then
            clients+=("$other")
        else
            echo "$other is not installed: left out"
        fi
    done
}

# Requests, seconds of user and system time of one round. The script says with `client NAME` how a
# client is started.
measure() {
    local before after time
    before=$(requests)
    TIMEFORMAT='%U %S'
    # The time is the last line; what the client itself complains about stands before it.
    time=$({ time client "$1" >"$directory/$1.out" 2>"$directory/$1.err"; } 2>&1) || {
        tail -n 20 "$directory/$1.out" "$directory/$1.err" >&2
        return 1
    }
    after=$(requests)
    echo "$((after - before - 1)) $time"
}

# Medians over the rounds of the file `rounds`, whose lines are: round, client, requests, user,
# system, requests per second of both. Ratios within each round, so that what slows a round slows
# both.
medians() {
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
}
