# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a snapshot holds: its nodes as restic lists them, and the manifest that was put into it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import MAX_HEADER_BYTES, MEMBER_NAME
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import read_manifest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client, record
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.staging import DUMPS

FILE, DIRECTORY, SYMLINK = "file", "dir", "symlink"
#: As the language of restic keeps them in the mode of a file.
SETUID, SETGID = 1 << 23, 1 << 22
_MAX_DUMPS = 1000


class Node(NamedTuple):
    """One entry of a snapshot.

    :ivar path: absolute.
    :ivar type: FILE, DIRECTORY, SYMLINK or another word of restic.
    """

    path: str
    type: str
    size: int
    mode: int


@dataclass
class Contents:
    """What reading the list of a snapshot has shown.

    :ivar missing: patterns that no node fits.
    :ivar dumps: sizes of the dumps by their names in an archive; at most 1000.
    """

    members: int = 0
    bytes: int = 0
    dumps: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def each_node(client: Client, snapshot: Snapshot, take: Callable[[Node], None]) -> None:
    """Give every node of a snapshot to ``take``.

    :raises ResticFailure: when it cannot be listed.
    """

    def read(line: bytes) -> None:
        node = parse_node(line)
        if node:
            take(node)

    client.call(arguments.listing(snapshot.id), on_line=read)


def parse_node(line: bytes) -> Node | None:
    """Read a line of the list; None for one that is about something else."""
    said = record(line)
    path, kind = said.get("path"), said.get("type")
    if not isinstance(path, str) or not isinstance(kind, str):
        return None
    return Node(path, kind, _number(said.get("size")), _number(said.get("mode")))


def examine(client: Client, snapshot: Snapshot, require: Sequence[str]) -> Contents:
    """Count what a snapshot holds and look for what it must hold.

    :param require: shell patterns; the names are those of an archive, ``files/<absolute path>`` and ``dumps/<name>``.
    :raises ResticFailure: when it cannot be listed.
    """
    contents = Contents()
    wanted = {pattern: re.compile(translate(pattern), re.DOTALL) for pattern in require}

    def take(node: Node) -> None:
        contents.members += 1
        contents.bytes += node.size if node.type == FILE else 0
        if node.path.startswith(f"/{DUMPS}/") and len(contents.dumps) < _MAX_DUMPS:
            contents.dumps[node.path[1:]] = node.size
        if wanted and node.type in (FILE, DIRECTORY):
            name = member_name(node.path)
            for pattern in [pattern for pattern, expression in wanted.items() if expression.match(name)]:
                del wanted[pattern]

    each_node(client, snapshot, take)
    contents.missing = list(wanted)
    return contents


def member_name(path: str) -> str:
    """Return what a path of a snapshot is called in an archive of ours."""
    if path == f"/{MEMBER_NAME}" or path.startswith(f"/{DUMPS}/"):
        return path[1:]
    return f"files{path}"


def read_header(client: Client, snapshot: Snapshot) -> dict[str, Any] | None:
    """Return the manifest of a snapshot, or None when it was not made here.

    :raises UpkeepError: when it cannot be read, or is that of another backup.
    """
    if not snapshot.backup_id:
        return None
    chunks: list[bytes] = []
    room = MAX_HEADER_BYTES

    def keep(line: bytes) -> None:
        nonlocal room
        room -= len(line) + 1
        if room > 0:
            chunks.append(line + b"\n")

    client.call(arguments.dump(snapshot.id, f"/{MEMBER_NAME}"), on_line=keep)
    try:
        header, _members = read_manifest(chunks)
    except ArchiveProblem as problem:
        raise UpkeepError(f"the manifest of snapshot {snapshot.short} {problem.message}") from problem
    if header["backup_id"] != snapshot.backup_id:
        raise UpkeepError(f"the manifest of snapshot {snapshot.short} is that of another backup, {header['backup_id']}")
    return header


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
