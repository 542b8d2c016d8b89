"""Looking at BENCH_FILES (50 000) files of BENCH_TREE_MIB (2048) MiB, beside bare hashlib, sha256sum, AIDE and a bare walk.

The files are in the page cache, as on a host whose files are in use. AIDE compares the same attributes with two workers.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from measuring import CHECKOUT, in_turn, print_table, run_once

FILES = int(os.environ.get("BENCH_FILES", "50000"))
TREE_BYTES = int(os.environ.get("BENCH_TREE_MIB", "2048")) * 2**20
FILES_IN_FOLDER = 25

# As Ansible starts it: one process, with the module and nothing else.
RUN_MODULE = """
import runpy, sys
sys.path.insert(0, ".collections")
runpy.run_module("ansible_collections.upkeep.runbook.plugins.modules.file_integrity", run_name="__main__")
"""
TWO_THREADS = """
import hashlib, os, sys, threading
paths = iter([os.path.join(folder, name) for folder, _folders, names in os.walk(sys.argv[1]) for name in names])
lock = threading.Lock()
found = {}
def work():
    while True:
        with lock:
            some = [path for path, _number in zip(paths, range(32))]
        if not some:
            return
        for path in some:
            with open(path, "rb", buffering=0) as stream:
                found[path] = hashlib.sha256(stream.read()).hexdigest()
threads = [threading.Thread(target=work) for _number in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found))
"""
BARE_WALK = """
import os, sys
def walk(folder):
    with os.scandir(folder) as entries:
        for entry in entries:
            found[entry.path] = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                walk(entry.path)
found = {}
walk(sys.argv[1])
print(len(found))
"""
AIDE = """
database_out=file:{folder}/aide.db.new
gzip_dbout=no
num_workers=2
report_url=file:{folder}/aide.log
{tree} p+u+g+s+ftype+l+caps+sha256
"""


def make_tree(tree: Path) -> None:
    """Make files whose sizes are spread as in real trees: most are small, few are large."""
    chance = random.Random(5)
    weights = [chance.lognormvariate(0, 1.5) for _number in range(FILES)]
    scale = TREE_BYTES / sum(weights)
    block = chance.randbytes(8 * 2**20)
    for number, weight in enumerate(weights):
        folder = tree / f"part-{number // FILES_IN_FOLDER // 40:03}" / f"folder-{number // FILES_IN_FOLDER:05}"
        if number % FILES_IN_FOLDER == 0:
            folder.mkdir(parents=True)
        size = int(weight * scale)
        with open(folder / f"file-{number:06}.js", "wb") as stream:
            stream.write(b"%d\n" % number)
            while size > 0:
                start = chance.randrange(len(block) // 2)
                stream.write(block[start:start + size])
                size -= len(block) - start


def module(directory: Path, name: str, options: Mapping[str, object]) -> list[str]:
    """Return the command that runs the module with these options."""
    arguments = directory / f"{name}.json"
    defaults = {"paths": [str(directory / "tree")], "state_directory": str(directory / name)}
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**defaults, **options}}))
    return [sys.executable, "-c", RUN_MODULE, str(arguments)]


def main() -> None:
    (CHECKOUT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CHECKOUT / ".cache") as name:
        directory = Path(name)
        tree = directory / "tree"
        make_tree(tree)
        (directory / "aide.conf").write_text(AIDE.format(folder=directory, tree=tree))
        accept = {"state": "accepted", "reason": "bench"}
        known = {"state_directory": str(directory / "known")}
        run_once(module(directory, "first", {**accept, **known}))
        commands = {
            "hashlib, two threads": [sys.executable, "-c", TWO_THREADS, str(tree)],
            # Each run is a first one: without a lasting baseline there is none to compare with.
            "file_integrity, first pass": ["sh", "-c", 'rm -rf "$0"; exec "$@"', str(directory / "accept"),
                                           *module(directory, "accept", accept)],
            "file_integrity, check": module(directory, "check", known),
            "find | xargs -P2 sha256sum": ["sh", "-c", 'find "$0" -type f -print0 | xargs -0 -n 500 -P2 sha256sum | tail -n 1', str(tree)],
            "aide --init": ["aide", "--init", "--config", str(directory / "aide.conf")],
            "scandir and stat": [sys.executable, "-c", BARE_WALK, str(tree)],
            "file_integrity, trust_stat": module(directory, "trust", {**known, "trust_stat": True}),
        }
        medians = in_turn(commands)
        print_table(f"File integrity, {FILES} files, {TREE_BYTES / 2**20:.0f} MiB", medians, [
            ("first pass / two threads of hashlib (at most 1.3)", "file_integrity, first pass", "hashlib, two threads"),
            ("check / two threads of hashlib", "file_integrity, check", "hashlib, two threads"),
            ("find | xargs -P2 sha256sum / first pass (at least 3)", "find | xargs -P2 sha256sum", "file_integrity, first pass"),
            ("aide --init / first pass (at least 3)", "aide --init", "file_integrity, first pass"),
            ("trust_stat / scandir and stat (at most 2)", "file_integrity, trust_stat", "scandir and stat"),
        ])  # fmt: skip
        most = max(row.memory for name, row in medians.items() if name.startswith("file_integrity"))
        print(f"- memory of file_integrity: **{most:.0f} MiB** (at most 128)")


if __name__ == "__main__":
    main()
