"""Restoring a backup with every hash checked, beside tar, Python's tarfile, restic and borg; into memory and onto a disk.

The tree is the packages of this environment, with those of npm where they are, repeated until it has BENCH_TREE_MIB (1024).
All write the same tree to a place that is empty; what a run has written is removed outside of its time.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from measuring import CHECKOUT, RUNS, Measurement, Medians, print_table, run_once

TREE_MIB = int(os.environ.get("BENCH_TREE_MIB", "1024"))
TREES = [Path(sysconfig.get_path("purelib")), Path("/usr/lib/node_modules"), Path("/usr/share/nodejs")]
MEMORY = Path("/dev/shm")

# As Ansible starts it: one process, with the module and nothing else.
RUN_MODULE = """
import runpy, sys
sys.path.insert(0, ".collections")
runpy.run_module("ansible_collections.upkeep.runbook.plugins.modules." + sys.argv.pop(1), run_name="__main__")
"""
TARFILE = """
import sys, tarfile
with tarfile.open(sys.argv[1], "r:gz") as archive:
    archive.extractall(sys.argv[2], filter="fully_trusted")
"""
QUIET = {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "RESTIC_PASSWORD": "benchmark"}


def module(name: str, directory: Path, **options: object) -> list[str]:
    """Return the command line that runs a module as Ansible does."""
    arguments = Path(tempfile.mkstemp(".json", "arguments-", directory)[1])
    state = str(directory / "state")
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"state_directory": state, **options}}))
    return [sys.executable, "-c", RUN_MODULE, name, str(arguments)]


def make_tree(tree: Path) -> str:
    """Copy real packages until the tree is large enough; return a line that says what it is."""
    folders = [(one, Path(folder), names) for one in TREES if one.is_dir() for folder, _folders, names in os.walk(one) if names]
    # Any few of them are like all: one package alone is half of the tree.
    random.Random(3).shuffle(folders)
    size = number = 0
    while size < TREE_MIB * 2**20:
        top, folder, names = folders[number % len(folders)]
        place = tree / str(number // len(folders)) / folder.relative_to(top)
        place.mkdir(parents=True, exist_ok=True)
        number += 1
        for name in names:
            if (folder / name).is_file():
                shutil.copy2(folder / name, place / name)
                size += (place / name).stat().st_size
    return f"{sum(1 for _path in tree.rglob('*'))} members, {size / 2**20:.0f} MiB"


def make_archives(directory: Path, tree: Path) -> dict[str, str]:
    """Make the backup in both compressions; return the paths of the archives by compression."""
    found = {}
    for compression in ("gzip", "zstd"):
        options = {"sources": [{"name": "tree", "paths": [str(tree)]}], "label": compression, "compression": compression}
        command = module("backup_create", directory, destination=str(directory / "backups"), **options)
        answer = json.loads(subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE).stdout)
        found[compression] = answer["backup"]["path"]
    return found


def make_repositories(directory: Path, tree: Path) -> None:
    """Put the tree into a repository of restic and one of borg."""
    for argv in (
        ["restic", "init", "--quiet", "--repo", str(directory / "restic")],
        ["restic", "backup", "--quiet", "--repo", str(directory / "restic"), str(tree)],
        ["borg", "init", "--encryption", "none", str(directory / "borg")],
        ["borg", "create", f"{directory / 'borg'}::tree", str(tree)],
    ):
        subprocess.run(argv, check=True, env={**os.environ, **QUIET}, stdout=subprocess.DEVNULL)


def measure(commands: Mapping[str, Sequence[str]], place: Path) -> dict[str, Medians]:
    """Run the commands A B A B …, one warm-up each, each into an empty place; return medians."""
    results: dict[str, list[Measurement]] = {name: [] for name in commands}
    for round_number in range(RUNS + 1):
        for name, argv in commands.items():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            if place.parent.parent != MEMORY:
                os.sync()  # what others have written does not belong to this run
            measurement = run_once(argv, environment=QUIET)
            if round_number:
                results[name].append(measurement)
    shutil.rmtree(place)
    return {name: Medians.of(rows) for name, rows in results.items()}


def compare(title: str, directory: Path, tree: Path, archives: Mapping[str, str], place: Path, most: float) -> None:
    """Measure and print the restore to one place."""
    def ours(compression: str) -> list[str]:
        return module("backup_restore", directory, path=archives[compression], target=[str(place / "tree")],
                      **{"from": [f"files{tree}"]})

    commands = {
        "tar -xzf": ["tar", "-xzf", archives["gzip"], "-C", str(place)],
        "backup_restore, gzip": ours("gzip"),
        "tar --zstd -xf": ["tar", "--zstd", "-xf", archives["zstd"], "-C", str(place)],
        "backup_restore, zstd": ours("zstd"),
        "Python's extractall, gzip": [sys.executable, "-c", TARFILE, archives["gzip"], str(place)],
        "restic": ["restic", "restore", "--quiet", "--no-cache", "--repo", str(directory / "restic"), "latest", "--target", str(place)],
        "borg": ["sh", "-c", 'cd "$1" && borg extract "$2"', "sh", str(place), f"{directory / 'borg'}::tree"],
    }
    medians = measure(commands, place)
    print_table(title, medians, [
        (f"backup_restore / tar -xzf (at most {most})", "backup_restore, gzip", "tar -xzf"),
        ("backup_restore / tar --zstd -xf", "backup_restore, zstd", "tar --zstd -xf"),
        ("backup_restore / Python's extractall", "backup_restore, gzip", "Python's extractall, gzip"),
        ("backup_restore of zstd / restic", "backup_restore, zstd", "restic"),
        ("backup_restore of zstd / borg", "backup_restore, zstd", "borg"),
    ])
    memory = max(medians["backup_restore, gzip"].memory, medians["backup_restore, zstd"].memory)
    print(f"- memory of backup_restore: **{memory:.0f} MiB** (at most 128)")


def main() -> None:
    (CHECKOUT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CHECKOUT / ".cache") as name, tempfile.TemporaryDirectory(dir=MEMORY) as memory:
        # Without links in its path: a target of a restore has none.
        directory = Path(name).resolve()
        tree = directory / "tree"
        what = make_tree(tree)
        archives = make_archives(directory, tree)
        make_repositories(directory, tree)
        shutil.rmtree(tree)
        compare(f"Restore into memory ({what})", directory, tree, archives, Path(memory, "place"), 0.8)
        compare(f"Restore onto a disk ({what})", directory, tree, archives, directory / "place", 1.1)


if __name__ == "__main__":
    main()
