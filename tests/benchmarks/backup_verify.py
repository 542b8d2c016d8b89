"""Reading a tar.gz of a tree of real packages to its end, beside gzip -t, tar -t and Python's tarfile.

The tree is the packages of this environment, with those of npm where they are, repeated until it has BENCH_TREE_MIB (1024).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from measuring import CHECKOUT, in_turn, print_table

TREE_MIB = int(os.environ.get("BENCH_TREE_MIB", "1024"))
TREES = [Path(sysconfig.get_path("purelib")), Path("/usr/lib/node_modules"), Path("/usr/share/nodejs")]

# As Ansible starts it: one process, with the module and nothing else.
RUN_MODULE = """
import runpy, sys
sys.path.insert(0, ".collections")
runpy.run_module("ansible_collections.upkeep.runbook.plugins.modules.backup_verify", run_name="__main__")
"""
TARFILE = """
import sys, tarfile
with tarfile.open(sys.argv[1], "r|gz") as archive:
    print(sum(member.size for member in archive))
"""


def make_archive(path: Path) -> str:
    """Write the archive; return a line that says what it is."""
    trees = [tree for tree in TREES if tree.is_dir()]
    plain = path.with_suffix("")
    number = 0
    while not plain.exists() or plain.stat().st_size < TREE_MIB * 2**20:
        tree = trees[number % len(trees)]
        number += 1
        command = ["tar", "--append" if plain.exists() else "--create", f"--file={plain}", f"--transform=s,^\\.,app/{number},"]
        subprocess.run([*command, "-C", str(tree), "."], check=True, stderr=subprocess.DEVNULL)
    listed = subprocess.run(["tar", "-tf", plain], check=True, stdout=subprocess.PIPE).stdout.count(b"\n")
    unpacked = plain.stat().st_size
    subprocess.run(["gzip", str(plain)], check=True)
    return f"{listed} members, {unpacked / 2**20:.0f} MiB, packed {path.stat().st_size / 2**20:.0f} MiB"


def main() -> None:
    (CHECKOUT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CHECKOUT / ".cache") as directory:
        path = Path(directory, "tree.tar.gz")
        what = make_archive(path)
        arguments = Path(directory, "arguments.json")
        arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"path": str(path)}}))
        commands = {
            "gzip -t": ["gzip", "-t", str(path)],
            "backup_verify, level readable": [sys.executable, "-c", RUN_MODULE, str(arguments)],
            "tar -tzf": ["tar", "-tzf", str(path)],
            "Python's tarfile": [sys.executable, "-c", TARFILE, str(path)],
        }
        medians = in_turn(commands)
        print_table(
            f"Verify a tar.gz ({what})",
            medians,
            [
                ("backup_verify / gzip -t (at most 0.9)", "backup_verify, level readable", "gzip -t"),
                ("backup_verify / tar -tzf", "backup_verify, level readable", "tar -tzf"),
                ("backup_verify / Python's tarfile", "backup_verify, level readable", "Python's tarfile"),
            ],
        )
        print(f"- memory of backup_verify: **{medians['backup_verify, level readable'].memory:.0f} MiB** (at most 64)")


if __name__ == "__main__":
    main()
