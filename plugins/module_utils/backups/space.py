# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a backup will fit, before anything is written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.packing import NONE
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_request import Request
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text

#: The next backup is about as large as the last one; a tenth more is allowed for.
_GROWTH = 1.1
#: Programs and texts pack to a quarter, media to nearly all: without an earlier backup half is asked for.
_PACKED_SHARE = 0.5
_HEADER_BYTES = 1024


@dataclass(frozen=True)
class Totals:
    """What a backup will be made of, as far as it is known before.

    :ivar bytes: of the contents of its files.
    :ivar packed: size of the last archive with the same label, or None.
    """

    members: int = 0
    files: int = 0
    bytes: int = 0
    packed: int | None = None


def expected_bytes(totals: Totals, compression: str) -> int:
    """Return about how large the archive will be."""
    if totals.packed is not None:
        return int(totals.packed * _GROWTH)
    unpacked = totals.bytes + totals.members * _HEADER_BYTES
    return unpacked if compression == NONE else int(unpacked * _PACKED_SHARE)


def reserve_bytes(request: Request) -> int:
    """Return how much room is to stay free for others on the file system of the destination."""
    found = os.statvfs(_existing(request.destination))
    return int(found.f_blocks * found.f_frsize * request.min_free_percent / 100)


def refuse_full_disk(request: Request, totals: Totals) -> None:
    """Raise when the archive would not fit, or would leave too little room.

    :raises UpkeepError: with the figures.
    """
    found = os.statvfs(_existing(request.destination))
    free = found.f_bavail * found.f_frsize
    expected, reserve = expected_bytes(totals, request.compression), reserve_bytes(request)
    if free - reserve >= expected:
        return
    basis = "as large as the last one" if totals.packed is not None else f"made of {bytes_text(totals.bytes)}"
    raise UpkeepError(
        f"{request.destination} has {bytes_text(free)} free; a backup that is {basis} needs about {bytes_text(expected)}, and"
        f" {bytes_text(reserve)} are to stay free (min_free_percent {request.min_free_percent:g}); make room, or choose"
        " another destination"
    )


def whole_file_systems(request: Request) -> Totals | None:
    """Return the most that the sources can have: all that is on their file systems; None when nobody can tell without a look.

    Where even that has room, no tree has to be walked to see whether there is enough.
    """
    used: dict[int, tuple[int, int]] = {}
    try:
        for root in request.roots:
            if not root.one_file_system:
                return None
            found = os.statvfs(root.path)
            used[os.stat(root.path).st_dev] = (found.f_files - found.f_ffree, (found.f_blocks - found.f_bfree) * found.f_frsize)
    except OSError:
        return None
    return Totals(members=sum(members for members, _bytes in used.values()), bytes=sum(size for _members, size in used.values()))


def has_room(request: Request, totals: Totals) -> bool:
    """Tell whether the archive would fit and leave the room that is to stay free, even if nothing could be compressed."""
    found = os.statvfs(_existing(request.destination))
    return found.f_bavail * found.f_frsize - reserve_bytes(request) >= expected_bytes(totals, NONE)


def _existing(path: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
