# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery reads of a backup: the manifest beside it, and all of it when it is verified."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.inspection import verify_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member, sidecar_path
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import read_manifest
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now

_CHUNK_BYTES = 256 * 1024
#: The backup that is wanted may be an old one, or have a time in its name that is still to come.
_BESIDE_THE_POINT = ("backup.age", "backup.shrink")


def read_header(path: str) -> Mapping[str, Any]:
    """Return the header of the manifest beside an archive.

    :raises UpkeepError: with the reason, as the predicate of a sentence about the archive.
    """
    with _chunks(path) as chunks:
        try:
            return read_manifest(chunks)[0]
        except ArchiveProblem as problem:
            raise UpkeepError(f"the manifest beside it {problem.message}") from problem


def read_members(path: str) -> Iterator[Member]:
    """Yield the members that the manifest beside an archive lists.

    :raises UpkeepError: when it is not whole.
    """
    with _chunks(path) as chunks:
        try:
            yield from read_manifest(chunks)[1]
        except ArchiveProblem as problem:
            raise UpkeepError(f"the manifest beside {path} {problem.message}") from problem


def verify_archive(path: str, timeout_seconds: float, max_ratio: float) -> str:
    """Read all of an archive against its manifest; return why it is not to be used, or an empty text."""
    result = verify_backups(verify_options(path, timeout_seconds, max_ratio), now=utc_now(), read_only=True)
    bad = [check for check in result["checks"] if check["status"] != OK and check["check"] not in _BESIDE_THE_POINT]
    return str(bad[0]["summary"]).rstrip(".") if bad else ""


def verify_options(path: str, timeout_seconds: float, max_ratio: float) -> dict[str, Any]:
    """Return the options of ``backup_verify`` for one archive; a test keeps them complete."""
    return {
        "path": path, "directory": None, "pattern": None, "backups": None, "newest": 1, "level": "content",
        "max_age_hours": 0.0, "min_bytes": 1, "max_shrink_percent": 0.0, "require": [], "manifest": "required",
        "nested_depth": 0, "nested_exclude": [], "timeout_seconds": timeout_seconds, "max_ratio": max_ratio,
        "max_members": 5_000_000, "max_decoder_bytes": 24 * 1024 * 1024, "return_all": True,
        "remember": False, "state_directory": "/var/lib/upkeep", "run_id": None, "drill": None,
    }


@contextmanager
def _chunks(archive: str) -> Iterator[Iterator[bytes]]:
    path = sidecar_path(archive)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        name = os.path.basename(path)
        raise UpkeepError(f"it has no manifest beside it: put {plain(name, 300)} there, which was made with it") from None
    except OSError as error:
        raise UpkeepError(f"the manifest beside it cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        yield iter(lambda: stream.read(_CHUNK_BYTES), b"")
