#!/usr/bin/env bash
# How often does `crowd compare` raise a false alarm, and does it find a target that is a tenth slower?
#
# A/A: pairs of sides of an unchanged nginx on this machine, as quick as it can be, each side with
# three runs of its own, made in turn. An alarm is a comparison that says `worse` or `better`; at
# most one in twenty may.
# A/B: the same with two locations of which one is a tenth slower; nine in ten have to say `worse`.
#
#   benches/compare/aa.sh [PAIRS [SECONDS [FOUND]]]     (40 A/A pairs, runs of 1 s, 10 A/B pairs:
#                                                        300 runs, about six minutes)
#
# Environment: CROWD (the binary; target/release/crowd), NGINX, PORT, USERS (10), RUNS (a side; 3).
# Exit code 1 if there are more alarms, or fewer found.
set -euo pipefail
cd "$(dirname "$0")/../.."

pairs=${1:-40} seconds=${2:-1} slower=${3:-10} users=${USERS:-10} runs=${RUNS:-3}
crowd=$(realpath "${CROWD:-target/release/crowd}")
nginx=${NGINX:-$(PATH=$PATH:/usr/sbin command -v nginx)} port=${PORT:-18089}

directory=$(mktemp -d)
sed "s|@DIRECTORY@|$directory|; s|@PORT@|$port|" benches/compare/nginx.conf >"$directory/nginx.conf"
"$nginx" -p "$directory" -e "$directory/error.log" -c "$directory/nginx.conf" &
server=$!
trap 'kill "$server"; wait "$server" || true; rm -r "$directory"' EXIT
for _ in {1..100}; do
    curl -fs -o /dev/null "http://127.0.0.1:$port/" && break
    sleep 0.1
done

# One run against that location.
run() {
    local code=0
    timeout 60 "$crowd" run http "url=http://127.0.0.1:$port$1" --users "$users" --user-rate unlimited \
        --duration "${seconds}s" --json "$2" >"$directory/out" 2>&1 || code=$?
    # 3: the generator could not keep up, as it and the target share this machine.
    if ((code != 0 && code != 3)); then
        cat "$directory/out" >&2
        return 1
    fi
}

# What is said of two locations.
compared() {
    local at before=() after=()
    for ((at = 1; at <= runs; at++)); do
        run "$1" "$directory/a$at.json"
        run "$2" "$directory/b$at.json"
        before+=("$directory/a$at.json") after+=("$directory/b$at.json")
    done
    "$crowd" compare "${before[@]}" --even-if-invalid --json -- "${after[@]}" >"$directory/compared" || (($? == 6))
    awk -F'"' '/^  "verdict"/ { print $4 }' "$directory/compared"
}

# The changes that are told, for people who wonder.
changes() {
    "$crowd" compare "$directory"/a*.json --even-if-invalid -- "$directory"/b*.json |
        grep -E '(WORSE|better)$' | sed 's/^/    /' || true
}

alarms=0 found=0
for ((pair = 1; pair <= pairs; pair++)); do
    verdict=$(compared / /)
    echo "A/A $pair: $verdict"
    if [[ $verdict == worse || $verdict == better ]]; then
        ((alarms += 1))
        changes
    fi
done
for ((pair = 1; pair <= slower; pair++)); do
    verdict=$(compared /old /new)
    echo "a tenth slower $pair: $verdict"
    [[ $verdict == worse ]] && ((found += 1))
done
echo "$alarms false alarms in $pairs comparisons of $runs against $runs runs; $found of $slower slower targets found"
((alarms * 20 <= pairs && found * 10 >= slower * 9))
