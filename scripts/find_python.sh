#!/usr/bin/env bash
# Prints the path of the first Python of the given versions that works, in the order given.
#
#   scripts/find_python.sh 3.13 3.12 3.11
#
# Each candidate is run before it is believed: a pyenv shim may be on PATH for a version that is not selected.
set -euo pipefail

works() { # path, version: it runs, it is that version, and it can make a virtual environment
    "$1" -c 'import ensurepip, sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$2" >/dev/null 2>&1
}

for version in "$@"; do
    candidates=()
    while IFS= read -r found; do candidates+=("$found"); done < <(type -aP "python$version" || true)
    candidates+=("${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version")
    for candidate in "${candidates[@]}"; do
        if works "$candidate" "$version"; then
            echo "$candidate"
            exit 0
        fi
    done
done

echo "No working Python $(printf '%s, ' "$@" | sed 's/, $//') with venv was found on PATH or under pyenv." >&2
echo "Install one, for example with pyenv (pyenv install $1) or on Debian: apt-get install python3 python3-venv" >&2
exit 1
