#!/usr/bin/env bash
# Tries the collection on one supported controller: the unit tests and the daily run of the demo inventory.
#
#   scripts/controller.sh .venv-2.19 3.11 [folders of tests]
#
# Without folders, all unit tests run.
# requirements.txt gives each Python its ansible-core, so the Python decides which one is tested.
set -euo pipefail
cd "$(dirname "$0")/.."

directory=$1
python_version=$2
shift 2
tests=("$@")
if ((${#tests[@]} == 0)); then tests=(tests/unit); fi
scripts/venv.sh "$directory" "$python_version" requirements.txt requirements-units.txt

core=$("$directory/bin/python" -c 'from ansible.release import __version__; print(__version__)')
if [[ $core != "${directory#.venv-}".* ]]; then
    echo "requirements.txt gives Python $python_version ansible-core $core, not ${directory#.venv-}" >&2
    exit 1
fi

echo "ansible-core $core on Python $python_version: unit tests"
"$directory/bin/python" -m pytest --quiet --numprocesses auto "${tests[@]}"

echo "ansible-core $core on Python $python_version: the daily run"
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
# The demo inventory keeps everything under the state directory of the user, which is a fresh one here.
XDG_STATE_HOME=$state PATH=$PWD/$directory/bin:$PATH \
    ansible-playbook -i inventories/demo upkeep.runbook.daily -e upkeep_fail_on=never
if [[ ! -s $state/upkeep/reports/latest.json ]]; then
    echo "The daily run wrote no run record under $state" >&2
    exit 1
fi
