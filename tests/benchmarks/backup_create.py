"""A backup of a tree of real packages with every checksum, beside tar with gzip and with zstd, and beside restic and borg.

The tree is the packages of this environment, with those of npm where they are, copied until it has BENCH_TREE_MIB (1024).
restic and borg are measured with a new repository and with one that has the tree already.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measuring import CHECKOUT, in_turn, print_table

TREE_MIB = int(os.environ.get("BENCH_TREE_MIB", "1024"))
TREES = [Path("/usr/lib/node_modules"), Path("/usr/share/nodejs"), Path(sysconfig.get_path("purelib"))]

# As Ansible starts it: one process, with the module and nothing else.
RUN_MODULE = """
import runpy, sys
sys.path.insert(0, ".collections")
runpy.run_module("ansible_collections.upkeep.runbook.plugins.modules.backup_create", run_name="__main__")
"""


def packages() -> Iterator[Path]:
    """Yield folders of packages, again and again."""
    while True:
        for tree in TREES:
            if tree.is_dir():
                yield from sorted(path for path in tree.iterdir() if path.is_dir())


def make_tree(root: Path) -> str:
    """Copy packages until the tree is large enough; return a line that says what it is."""
    size = files = small = number = 0
    for package in packages():
        number += 1
        copy = root / f"{number}" / package.name
        shutil.copytree(package, copy, symlinks=True)
        for folder, _folders, names in os.walk(copy):
            for name in names:
                length = os.lstat(os.path.join(folder, name)).st_size
                size, files, small = size + length, files + 1, small + (length < 4096)
        if size >= TREE_MIB * 2**20:
            return f"{files} files, {size / 2**20:.0f} MiB, {100 * small / files:.0f} % below 4 KiB"
    raise AssertionError("packages never end")


def read_all(tree: Path) -> None:
    """Have the whole tree in memory: borg has the system let go of what it has read, and whoever comes next would read it from the disk."""
    for folder, _folders, names in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink():
                path.read_bytes()


def create(directory: Path, tree: Path, compression: str) -> list[str]:
    """Return the command that makes one backup of the tree; each has its own folder, which is emptied before."""
    folder = directory / f"ours-{compression}"
    arguments = directory / f"{compression}.json"
    options = {
        "sources": [{"name": "tree", "paths": [str(tree)]}], "destination": str(folder), "label": "bench",
        "compression": compression, "state_directory": str(directory / "state"),
    }
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    return shell(f"rm -rf {folder}; exec '{sys.executable}' -c '{RUN_MODULE}' {arguments}")


def shell(command: str) -> list[str]:
    return ["bash", "-euo", "pipefail", "-c", command]


def commands(directory: Path, tree: Path) -> dict[str, list[str]]:
    """Return what is measured."""
    restic = "RESTIC_PASSWORD=bench restic --quiet --no-cache -r"
    borg = f"BORG_BASE_DIR={directory}/borg-base borg"
    first, again = directory / "first", directory / "again"
    return {
        "backup_create, zstd": create(directory, tree, "zstd"),
        "tar, zstd -T0 -3": shell(f"tar -cf - -C {tree} . | zstd -T0 -3 -q > {directory}/tar.zst"),
        "backup_create, gzip": create(directory, tree, "gzip"),
        "tar -czf": ["tar", "-czf", f"{directory}/tar.gz", "-C", str(tree), "."],
        "restic, new repository": shell(
            f"rm -rf {first}-restic; {restic} {first}-restic init; {restic} {first}-restic backup {tree}"
        ),
        "restic, second run": shell(
            f"[[ -e {again}-restic ]] || {restic} {again}-restic init; {restic} {again}-restic backup {tree}"
        ),
        "borg, new repository": shell(f"rm -rf {first}-borg; {borg} init -e none {first}-borg; {borg} create {first}-borg::one {tree}"),
        "borg, second run": shell(
            f"[[ -e {again}-borg ]] || {borg} init -e none {again}-borg; {borg} create {again}-borg::{{now:%s.%f}} {tree}"
        ),
    }


def packed_sizes(directory: Path) -> str:
    """Return how large each made it."""
    found = {
        "backup_create, zstd": "ours-zstd", "tar, zstd -T0 -3": "tar.zst", "backup_create, gzip": "ours-gzip", "tar -czf": "tar.gz",
        "restic": "first-restic", "borg": "first-borg",
    }
    sizes = []
    for what, name in found.items():
        listed = subprocess.run(["du", "-sm", directory / name], check=True, stdout=subprocess.PIPE, text=True).stdout
        sizes.append(f"{what} {listed.split()[0]} MiB")
    return ", ".join(sizes)


def main() -> None:
    (CHECKOUT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CHECKOUT / ".cache") as name:
        directory = Path(name)
        what = make_tree(directory / "tree")
        medians = in_turn(commands(directory, directory / "tree"), before=lambda: read_all(directory / "tree"))
        print_table(
            f"Make a backup ({what})",
            medians,
            [
                ("tar -czf / backup_create with zstd (at least 6)", "tar -czf", "backup_create, zstd"),
                ("backup_create with zstd / tar and zstd -T0 (at most 1.3)", "backup_create, zstd", "tar, zstd -T0 -3"),
                ("backup_create with gzip / tar -czf", "backup_create, gzip", "tar -czf"),
                ("backup_create with zstd / restic, new repository", "backup_create, zstd", "restic, new repository"),
                ("backup_create with zstd / restic, second run", "backup_create, zstd", "restic, second run"),
                ("backup_create with zstd / borg, new repository", "backup_create, zstd", "borg, new repository"),
                ("backup_create with zstd / borg, second run", "backup_create, zstd", "borg, second run"),
            ],
        )
        memory = medians["backup_create, zstd"].memory
        print(f"- largest process of backup_create, zstd included: **{memory:.0f} MiB** (at most 128)")
        print(f"- packed: {packed_sizes(directory)}")


if __name__ == "__main__":
    main()
