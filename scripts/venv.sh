#!/usr/bin/env bash
# Makes a virtual environment, or brings it up to date with its requirement files; does nothing when it is so already.
#
#   scripts/venv.sh .venv "3.13 3.12 3.11" requirements.txt [more requirement files]
#
# The versions are tried in order. An environment whose Python works and is among them is kept.
set -euo pipefail
cd "$(dirname "$0")/.."

directory=$1
read -ra versions <<<"$2"
shift 2

usable() {
    local version
    version=$("$directory/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || return 1
    [[ " ${versions[*]} " == *" $version "* ]]
}

# Two `make` at once must not install into one environment.
mkdir -p .cache
exec 9>".cache/${directory##*/}.lock"
if command -v flock >/dev/null; then flock 9; fi

if ! usable; then
    python=$(scripts/find_python.sh "${versions[@]}" 2>/dev/null) || {
        # On a bare Debian or Ubuntu the system's own Python lacks venv, which is a package of its own.
        scripts/system_packages.sh venv
        python=$(scripts/find_python.sh "${versions[@]}")
    }
    echo "Making $directory with $("$python" --version)"
    "$python" -m venv --clear "$directory"
fi

for requirements in "$@"; do
    stamp="$directory/.installed-${requirements##*/}"
    wanted=$(cat requirements*.txt | cksum)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then continue; fi
    echo "Installing $requirements into $directory"
    "$directory/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --requirement "$requirements"
    echo "$wanted" >"$stamp"
done
