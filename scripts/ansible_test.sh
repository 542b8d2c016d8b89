#!/usr/bin/env bash
# Runs ansible-test (which accepts neither a link nor another folder name) in a copy of this checkout's files.
#
#   scripts/ansible_test.sh sanity --controller origin …
set -euo pipefail
cd "$(dirname "$0")/.."

checkout=$PWD
copy="$checkout/.cache/ansible-test-$1/ansible_collections/upkeep/runbook"
ansible_test="$checkout/.venv/bin/ansible-test"

rm -rf "$copy"
mkdir -p "$copy"
# What git tracks or would track: a new file is tested before it is added, an ignored one never.
git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do if [[ -f $file ]]; then printf '%s\0' "$file"; fi; done |
    tar --create --file - --null --files-from - | tar --extract --file - --directory "$copy"
# Without a repository of its own the copy would be taken for an ignored part of this one.
git -C "$copy" init --quiet

"$checkout/.venv/bin/python" "$checkout/scripts/ansible_test_pip.py"
cd "$copy"
exec "$ansible_test" "$@"
