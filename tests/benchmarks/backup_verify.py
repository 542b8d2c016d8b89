"""Verifying backups of a tree of real packages, with every checksum, beside gzip -t, zstd -t, tar -t and Python's tarfile.

The tree is the packages of this environment, with those of npm where they are, copied until it has BENCH_TREE_MIB (1024). Our own
module makes the backups. At the level readable gzip is unpacked by Python's zlib, and at the level content by igzip where it is: a
row of its own is measured with a PATH on which there is none.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from backup_create import make_tree
from measuring import CHECKOUT, Medians, in_turn, print_table

# As Ansible starts it: one process, with the module and nothing else.
RUN_MODULE = """
import os, runpy, sys
sys.path.insert(0, ".collections")
if len(sys.argv) > 3:
    os.environ["PATH"] = sys.argv.pop()
runpy.run_module("ansible_collections.upkeep.runbook.plugins.modules." + sys.argv.pop(), run_name="__main__")
"""
TARFILE = """
import sys, tarfile
with tarfile.open(sys.argv[1], "r|gz") as archive:
    print(sum(member.size for member in archive))
"""


def module_command(directory: Path, name: str, options: Mapping[str, object], path: str = "") -> list[str]:
    """Return the command that runs a module of ours.

    :param path: a PATH of its own.
    """
    arguments = directory / f"{name}-{len(list(directory.iterdir()))}.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    return [sys.executable, "-c", RUN_MODULE, str(arguments), name, *([path] if path else [])]


def make_backup(directory: Path, tree: Path, compression: str) -> Path:
    """Make a backup of the tree, and verify it once: what is measured must be ok."""
    options = {
        "sources": [{"name": "app", "paths": [str(tree)]}], "destination": str(directory / compression), "label": "bench",
        "compression": compression, "state_directory": str(directory / "state"),
    }
    made = subprocess.run(module_command(directory, "backup_create", options), cwd=CHECKOUT, stdout=subprocess.PIPE, check=True)
    path = Path(json.loads(made.stdout)["backup"]["path"])
    verified = subprocess.run(verify(directory, path, "content"), cwd=CHECKOUT, stdout=subprocess.PIPE, check=True)
    checks = {row["check"]: row["status"] for row in json.loads(verified.stdout)["checks"]}
    assert (checks["backup.manifest"], checks["backup.content_hashes"]) == ("ok", "ok"), verified.stdout
    return path


def verify(directory: Path, path: Path, level: str, search: str = "") -> list[str]:
    return module_command(directory, "backup_verify", {"path": str(path), "level": level}, search)


def path_without_igzip(directory: Path) -> str:
    """Return a PATH on which there is nothing but zstd."""
    folder = directory / "bin"
    folder.mkdir()
    (folder / "zstd").symlink_to(str(shutil.which("zstd")))
    return str(folder)


def measure_gzip(directory: Path, path: Path, what: str) -> None:
    commands = {
        "gzip -t": ["gzip", "-t", str(path)],
        "readable": verify(directory, path, "readable"),
        "content": verify(directory, path, "content"),
        "content, without igzip": verify(directory, path, "content", path_without_igzip(directory)),
        "tar -tzf": ["tar", "-tzf", str(path)],
        "Python's tarfile": [sys.executable, "-c", TARFILE, str(path)],
    }
    medians = in_turn(commands)
    pairs = [
        ("readable / gzip -t (at most 0.9)", "readable", "gzip -t"),
        ("content with igzip / gzip -t (at most 0.5)", "content", "gzip -t"),
        ("content without igzip / gzip -t (at most 0.9)", "content, without igzip", "gzip -t"),
        ("readable / tar -tzf", "readable", "tar -tzf"),
        ("content / Python's tarfile", "content", "Python's tarfile"),
    ]
    print_table(f"Verify a tar.gz ({what}, packed {path.stat().st_size / 2**20:.0f} MiB)", medians, pairs)
    print_memory(medians, 64, "readable", "content", "content, without igzip")


def measure_zstd(directory: Path, path: Path, what: str) -> None:
    commands = {
        "zstd -t": ["zstd", "-t", "-q", str(path)],
        "readable": verify(directory, path, "readable"),
        "manifest": verify(directory, path, "manifest"),
        "content": verify(directory, path, "content"),
    }
    medians = in_turn(commands)
    pairs = [
        ("readable / zstd -t", "readable", "zstd -t"),
        ("manifest / zstd -t", "manifest", "zstd -t"),
        ("content / zstd -t (at most 1.6)", "content", "zstd -t"),
    ]
    print_table(f"Verify a tar.zst ({what}, packed {path.stat().st_size / 2**20:.0f} MiB)", medians, pairs)
    print_memory(medians, 128, "readable", "manifest", "content")


def print_memory(medians: Mapping[str, Medians], most: int, *names: str) -> None:
    print(f"- memory of backup_verify: **{max(medians[name].memory for name in names):.0f} MiB** (at most {most})")


def main() -> None:
    (CHECKOUT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CHECKOUT / ".cache") as name:
        directory = Path(name)
        os.chmod(directory, 0o700)
        what = make_tree(directory / "tree")
        measure_gzip(directory, make_backup(directory, directory / "tree", "gzip"), what)
        measure_zstd(directory, make_backup(directory, directory / "tree", "zstd"), what)


if __name__ == "__main__":
    main()
