#!/usr/bin/env bash
# Runs gates (make targets) in lanes side by side, goes on after a failure, and says at the end what passed and what failed.
#
#   scripts/gates.sh "units lint …" "molecule …"
#
# Each argument is a lane: gates that run one after the other. The first lane prints as it runs. What a gate of another lane
# prints is kept in .cache/gates/GATE.log and shown after the first lane, so that outputs never mix.
# The exit status is 0 only when every gate passed. The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

kept=.cache/gates
rm -rf "$kept"
mkdir -p "$kept"
lanes=()

end_lanes() {
    trap '' INT TERM HUP
    local lane waited=0
    for lane in "${lanes[@]}"; do kill -INT -- "-$lane" 2>/dev/null; done
    # pytest removes what it has started, and so does molecule; ten seconds are enough for both.
    for lane in "${lanes[@]}"; do
        while kill -0 -- "-$lane" 2>/dev/null && ((waited++ < 100)); do sleep 0.1; done
        kill -KILL -- "-$lane" 2>/dev/null
    done
    exit 130
}
trap end_lanes INT TERM HUP

for lane in "${@:2}"; do
    # Without a terminal, so that nothing in it can ask one; and with the SIGINT that a shell takes from what it lets run beside it.
    # shellcheck disable=SC2086 # the words of a lane are its gates
    env --default-signal=INT setsid scripts/gate_lane.sh --aside "$kept" $lane &
    lanes+=($!)
done

# shellcheck disable=SC2086
scripts/gate_lane.sh "$kept" ${1-}

for number in "${!lanes[@]}"; do
    if kill -0 "${lanes[number]}" 2>/dev/null; then
        printf '\n=== Waiting for what runs beside. It prints into %s/*.log\n' "$kept"
        wait "${lanes[number]}"
    fi
    read -ra gates <<<"${*:number+2:1}"
    for gate in "${gates[@]}"; do
        if [[ -e $kept/$gate.log ]]; then cat "$kept/$gate.log"; fi
    done
done

passed=0
failed=()
printf '\n=== Summary\n'
read -ra gates <<<"$*"
for gate in "${gates[@]}"; do
    # What left no result was ended from outside.
    result=$(cat "$kept/$gate.result" 2>/dev/null || echo "FAILED: ended without a result")
    printf '%-14s %s\n' "$gate" "$result"
    if [[ $result == passed* ]]; then passed=$((passed + 1)); else failed+=("$gate"); fi
done
printf '%-14s %s\n' "all of them" "in $SECONDS s"
if ((${#failed[@]})); then
    printf '\nFailed: %s. Each can be run alone: make %s\n' "${failed[*]}" "${failed[0]}"
fi
printf '\n%d passed, %d failed\n' "$passed" "${#failed[@]}"
((${#failed[@]} == 0))
