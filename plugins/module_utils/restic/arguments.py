# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Argument lists for restic. The repository and its password are never in them; the environment has those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Arguments = tuple[str, ...]

#: Tag of every snapshot that was made here.
TAG = "upkeep"


def tags_of(label: str, backup_id: str) -> str:
    """Return the tags of a snapshot as restic takes them."""
    return f"{TAG},label={label},backup_id={backup_id}"


def init() -> Arguments:
    return ("init",)


def config() -> Arguments:
    return ("cat", "config")


def backup(*, host: str, tags: str, paths_file: str, excludes: Iterable[str], one_file_system: bool) -> Arguments:
    """Make a snapshot.

    :param paths_file: names of what is backed up, each followed by a NUL.
    :param excludes: patterns of restic.
    """
    left_out = [f"--exclude={pattern}" for pattern in excludes]
    same = ["--one-file-system"] if one_file_system else []
    return ("backup", "--json", f"--host={host}", f"--tag={tags}", *same, *left_out, f"--files-from-raw={paths_file}")


def snapshots(*, host: str, tags: Sequence[str]) -> Arguments:
    """List the snapshots of a host that have all the tags."""
    return ("snapshots", "--json", f"--host={host}", *([f"--tag={','.join(tags)}"] if tags else []))


def check(*, read_data: bool, subset: str = "") -> Arguments:
    """Check the repository.

    :param read_data: read every byte of it.
    :param subset: read a part of it, such as ``10%``, ``1/7`` or ``5G``.
    """
    if read_data:
        return ("check", "--read-data")
    return ("check", f"--read-data-subset={subset}") if subset else ("check",)


def listing(snapshot: str) -> Arguments:
    return ("ls", "--json", snapshot)


def dump(snapshot: str, path: str) -> Arguments:
    return ("dump", snapshot, path)


def restore(snapshot: str, *, directory: str, include: Iterable[str]) -> Arguments:
    """Restore what the patterns name below a directory, and read it back.

    :param include: patterns of restic; see ``literal``.
    """
    return ("restore", snapshot, f"--target={directory}", "--verify", *[f"--include={pattern}" for pattern in include])


def forget(snapshot_ids: Iterable[str]) -> Arguments:
    return ("forget", "--json", *snapshot_ids)


def prune() -> Arguments:
    return ("prune",)


def stats(snapshot: str) -> Arguments:
    return ("stats", "--json", "--mode=restore-size", snapshot)


def list_locks() -> Arguments:
    return ("list", "locks", "--no-lock")


def lock(lock_id: str) -> Arguments:
    return ("cat", "lock", lock_id, "--no-lock")


def unlock() -> Arguments:
    return ("unlock",)


def literal(path: str) -> str:
    """Return the pattern of restic that fits only this path."""
    return "".join(f"\\{character}" if character in "\\*?[]" else character for character in path)
