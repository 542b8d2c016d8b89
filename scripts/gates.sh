#!/usr/bin/env bash
# Runs each gate (a make target), goes on after a failure, and says at the end what passed and what failed.
#
#   scripts/gates.sh units lint …
#
# The exit status is 0 only when every gate passed. The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0
failed=()
lines=()

for gate in "$@"; do
    printf '\n=== %s (gate %d of %d): make %s\n' "$gate" $((passed + ${#failed[@]} + 1)) $# "$gate"
    start=$SECONDS
    if make "$gate" </dev/null 2>&1; then
        passed=$((passed + 1))
        result=passed
    else
        failed+=("$gate")
        result=FAILED
    fi
    lines+=("$(printf '%-14s %s in %d s' "$gate" "$result" $((SECONDS - start)))")
    printf '=== %s\n' "${lines[-1]}"
done

printf '\n=== Summary\n'
printf '%s\n' "${lines[@]}"
if ((${#failed[@]})); then
    printf '\nFailed: %s. Each can be run alone: make %s\n' "${failed[*]}" "${failed[0]}"
fi
printf '\n%d passed, %d failed\n' "$passed" "${#failed[@]}"
((${#failed[@]} == 0))
