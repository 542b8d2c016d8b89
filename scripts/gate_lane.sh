#!/usr/bin/env bash
# Runs gates (make targets) one after the other, whatever their results; scripts/gates.sh runs some of these side by side.
#
#   scripts/gate_lane.sh [--aside] FOLDER GATE…
#
# GATE.result in FOLDER says of each gate "passed in 12 s (CPU 20 s)" or "FAILED in …". With --aside what a gate prints goes to
# GATE.log there, and only its result is printed.
set -uo pipefail
trap 'exit 130' INT TERM

aside=
if [[ $1 == --aside ]]; then aside=", beside the others"; shift; fi
folder=$1
shift
number=0
TIMEFORMAT='%0R %0U %0S'

for gate in "$@"; do
    number=$((number + 1))
    exec 3>&1
    if [[ $aside ]]; then exec 3>"$folder/$gate.log"; fi
    printf '\n=== %s (gate %d of %d%s): make %s\n' "$gate" "$number" $# "$aside" "$gate" >&3
    # What the gate prints is elsewhere, so that only its times come here.
    if { time make "$gate" </dev/null >&3 2>&3; } 2>"$folder/$gate.time"; then result=passed; else result=FAILED; fi
    read -r seconds user system <"$folder/$gate.time"
    result="$result in $seconds s (CPU $((user + system)) s)"
    echo "$result" >"$folder/$gate.result"
    printf '=== %-14s %s\n' "$gate" "$result" >&3
    if [[ $aside ]]; then printf '\n=== %-14s %s%s\n' "$gate" "$result" "$aside"; fi
done
