# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of archives: which file is an archive of which log, and how far its making has come.

``app.log`` becomes ``app.log-20261122T051023Z-1a2b3c4d``, and packed ``app.log-20261122T051023Z-1a2b3c4d.gz``. Only names
that fit wholly are ever looked at, finished or removed: ``app.log-old`` and ``app-2.log`` are somebody else's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import NamedTuple

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(
    r"(?P<log>.+)-(?P<stamp>\d{8}T\d{6}Z)-(?P<mark>[0-9a-f]{8})(?P<packed>\.gz|\.zst)?(?P<draft>\.new|\.copy|\.fresh)?",
    re.DOTALL,
)

#: What the suffixes of unfinished work mean: a packed copy being written, a copy of a log that is to be truncated (its
#: end is not known to be whole), the empty file that takes the place of a log.
PACKING, COPYING, FRESH = ".new", ".copy", ".fresh"

#: The suffix of a packed archive, by the value of the option ``compress``.
SUFFIXES = {"gzip": ".gz", "zstd": ".zst", "none": ""}

MAX_NAME_BYTES = 255
#: What the longest of our names adds to the name of its log.
ADDED_BYTES = len("-20261122T051023Z-1a2b3c4d.zst.fresh")


class Archive(NamedTuple):
    """One file with a name of ours.

    :ivar log: name of the log.
    :ivar stamp: when the log was moved away, as written in the name.
    :ivar packed: ``.gz``, ``.zst`` or empty.
    :ivar draft: empty, or why it is no archive yet: one of :data:`PACKING`, :data:`COPYING`, :data:`FRESH`.
    """

    log: str
    stamp: str
    mark: str
    packed: str = ""
    draft: str = ""

    @property
    def raw(self) -> str:
        """The name before packing, which all files of one rotation share."""
        return f"{self.log}-{self.stamp}-{self.mark}"

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"{self.raw}{self.packed}{self.draft}"

    @property
    def rotated(self) -> datetime:
        """When the log was moved away."""
        return datetime.strptime(self.stamp, _STAMP).replace(tzinfo=timezone.utc)


def read_name(name: str) -> Archive | None:
    """Return what a file is by its name, or None when the name is not one of ours."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    archive = Archive(match["log"], match["stamp"], match["mark"], match["packed"] or "", match["draft"] or "")
    try:
        datetime.strptime(archive.stamp, _STAMP)  # 20261399T999999Z is nobody's time
    except ValueError:
        return None
    return archive


def archives_by_log(names: Iterable[str]) -> dict[str, list[Archive]]:
    """Return the archives and drafts among the names of a folder, by the log they are of, the oldest first."""
    found: dict[str, list[Archive]] = {}
    for name in names:
        archive = read_name(name)
        if archive is not None:
            found.setdefault(archive.log, []).append(archive)
    for archives in found.values():
        archives.sort(key=lambda archive: (archive.stamp, archive.name))
    return found


def new_archive(log: str, now: datetime, chance: bytes) -> Archive:
    """Return the archive that a rotation makes now.

    The mark is the microsecond, so that archives of one second have the order in which they were made, and chance.

    :param chance: two bytes, against a second rotation at the same moment.
    """
    moment = now.astimezone(timezone.utc)
    return Archive(log, moment.strftime(_STAMP), f"{moment.microsecond:05x}{chance.hex()[:3]}")


def is_too_long(log: str) -> bool:
    """Tell whether the name of a log leaves no room for what an archive adds to it."""
    return len(os.fsencode(log)) + ADDED_BYTES > MAX_NAME_BYTES
