# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a snapshot is restored to which target, checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.arguments import literal
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.contents import (
    DIRECTORY,
    FILE,
    SETGID,
    SETUID,
    SYMLINK,
    Node,
    each_node,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.exclusion import part_patterns
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.left_out_paths import find_left_out
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import SPECIAL_BITS, Rules, as_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.name_checks import Amount
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preflight import (
    is_below,
    refuse_full_disk,
    refuse_kind,
    resolve_targets,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preparing import Prepared
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import FILES_PREFIX, Destination, Selection
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_BLOCK_BYTES = 4096
_TYPES = {FILE: "file", DIRECTORY: "directory", SYMLINK: "symlink"}


@dataclass(frozen=True)
class Selected:
    """A restore that may begin.

    :ivar prepared: as for an archive.
    :ivar paths: of the snapshot, one for each target.
    :ivar includes: patterns of restic for each target.
    """

    prepared: Prepared
    paths: list[str]
    includes: list[list[str]]


def select(client: Client, snapshot: Snapshot, header: Mapping[str, Any] | None, options: Mapping[str, Any]) -> Selected:
    """Check options, places, everything that would be restored, and room.

    :param header: the manifest of the snapshot, None when something else made it.
    :raises UpkeepError: when something refuses.
    """
    given = list(options["target"] or saved_paths(header, options["sources"] or ()))
    paths = _paths_of(options, given)
    kept_elsewhere = [options["state_directory"], client.repository.local_path]
    targets = resolve_targets(given, outside=[path for path in kept_elsewhere if path])
    members = options["members"] or ()
    selection = Selection([Destination(target, as_bytes(path)) for target, path in zip(targets, paths)], members)
    amounts = _amounts(client, snapshot, selection, paths, frozenset(options["accept"]))
    for target, path, amount in zip(targets, paths, amounts):
        if not amount.members:
            what = f"nothing of what was asked for {target}" if members else f"no {plain(path, 200)}"
            raise UpkeepError(f"snapshot {snapshot.short} has {what}; nothing was changed")
        refuse_kind(target, "" if selection.is_part else amount.root)
    refuse_full_disk(targets, amounts)
    kept = [_kept(header, options, target, path) for target, path in zip(targets, paths)]
    prepared = Prepared(targets, selection, Rules(), amounts, kept, [0] * len(targets))
    includes = [part_patterns(path, members) if members else [literal(path)] for path in paths]
    return Selected(prepared, paths, includes)


def saved_paths(header: Mapping[str, Any] | None, sources: Sequence[str]) -> list[str]:
    """Return the paths that were backed up, as the manifest names them; one in another is restored with it.

    :param sources: names of those that are wanted; none means all.
    :raises UpkeepError: when nobody knows them.
    """
    listed = [source for source in (header or {}).get("sources") or () if isinstance(source, dict)]
    unknown = sorted(set(sources) - {str(source.get("name")) for source in listed})
    if unknown:
        names = ", ".join(plain(str(source.get("name")), 60) for source in listed)
        raise UpkeepError(f"sources: {plain(unknown[0], 60)} is none of the snapshot's: {names or 'it has none'}")
    paths = [str(path) for source in listed if not sources or source.get("name") in sources for path in source.get("paths") or ()]
    if not paths or not all(os.path.isabs(path) for path in paths):
        raise UpkeepError("target: the snapshot has no manifest that names the paths it was made of; give the target")
    return [path for path in dict.fromkeys(paths) if not any(other != path and is_below(path, other) for other in paths)]


def _paths_of(options: Mapping[str, Any], targets: Sequence[str]) -> list[str]:
    if options["from"] is None:
        return [os.path.normpath(target) for target in targets]
    for path in options["from"]:
        if not os.path.isabs(path) or ".." in path.split("/") or os.path.normpath(path) == "/":
            raise UpkeepError(f"from: {plain(path, 200)!r} is no absolute path below / in a snapshot")
    return [os.path.normpath(path) for path in options["from"]]


def _amounts(
    client: Client, snapshot: Snapshot, selection: Selection, paths: Sequence[str], accept: frozenset[str]
) -> list[Amount]:
    """Count what is restored to each target.

    :raises UpkeepError: when a device, a pipe or a set-user-ID file is among it.
    """
    amounts = [Amount() for _path in paths]

    def take(node: Node) -> None:
        for path, amount in zip(paths, amounts):
            if node.path != path and not node.path.startswith(path + "/"):
                continue
            if not selection.takes(as_bytes(node.path[len(path) + 1 :])):
                continue
            _refuse_special(snapshot, node, accept)
            amount.members += 1
            amount.bytes += node.size
            amount.disk_bytes += -(-node.size // _BLOCK_BYTES) * _BLOCK_BYTES
            if node.path == path:
                amount.root = _TYPES[node.type]

    each_node(client, snapshot, take)
    return amounts


def _refuse_special(snapshot: Snapshot, node: Node, accept: frozenset[str]) -> None:
    where = f"snapshot {snapshot.short}: {plain(node.path, 300)}"
    if node.type not in _TYPES:
        raise UpkeepError(f"{where} is a {plain(node.type, 30)}, which is not restored; restore the folders beside it")
    special = node.mode & (SETUID if node.type == DIRECTORY else SETUID | SETGID)
    if special and SPECIAL_BITS not in accept:
        raise UpkeepError(f"{where} has a set-user-ID or set-group-ID bit; nothing was changed. accept: [special_bits] restores it")


def _kept(header: Mapping[str, Any] | None, options: Mapping[str, Any], target: str, path: str) -> list[bytes]:
    """Return the paths below a target that are carried over."""
    if options["members"]:
        return []
    if options["preserve"] is None:
        return find_left_out(header, FILES_PREFIX + as_bytes(path), target) if header else []
    return [as_bytes("/".join(part for part in text.split("/") if part not in ("", "."))) for text in options["preserve"]]
