# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpack a backup into a scratch directory, with all checks of a restore: for drills, which throw it away again."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.archive_source import ArchiveSource, opened_archive
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.folders import opened
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import Rules
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.owners import NAMES
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preflight import refuse_space_at
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preparing import saved_roots
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import FILES_PREFIX, Destination, Selection


@dataclass(frozen=True)
class Scratch:
    """What was unpacked.

    :ivar roots: where the saved paths are in the scratch directory; the directory itself for archives without a manifest.
    :ivar header: the manifest without its members, or None.
    """

    directory: str
    members: int
    bytes: int
    seconds: float
    roots: tuple[str, ...]
    header: Optional[dict[str, Any]]


def restore_into(
    path: str, directory: str, *, limits: Limits, inside: str = "", members: Sequence[str] = (), accept: Sequence[str] = (),
    owners: str = NAMES, manifest_required: bool = False,
) -> Scratch:
    """Unpack a backup below an empty private directory, every hash checked; ``/opt/app`` becomes ``<directory>/opt/app``.

    An archive without our manifest is unpacked as it is. Dumps of databases stay in the archive (``single_member``).

    :param directory: absolute path; it exists, is empty, and nobody else may enter it. It stays with what was written when
        this fails, and the caller removes it in any case.
    :param limits: time, ratio, members, memory.
    :param inside: shell pattern of an archive inside that is meant.
    :param members: shell patterns of paths below the directory; none means all.
    :param accept: some of ``member_rules.ACCEPTABLE``.
    :param owners: one of ``owners.POLICIES``.
    :raises UpkeepError: when the archive is damaged or refused, or there is no room.
    """
    started = time.monotonic()
    with opened_archive(path, limits, inside=inside, manifest_required=manifest_required) as source:
        header = source.header
        prefix = FILES_PREFIX if header is not None else b""
        selection = Selection([Destination(directory, prefix)], members)
        rules = Rules(header is not None, frozenset(accept))
        checks = source.check_names(selection, rules)
        try:
            with opened(os.path.realpath(directory)) as base:
                _refuse_shared(directory, base)
                refuse_space_at(directory, checks.amounts[0].disk_bytes, checks.amounts[0].members)
                extractor = source.extract(selection, rules, owners, [base], [b""])
        except OSError as exc:
            raise UpkeepError(f"{directory} cannot be used as a scratch directory: {exc.strerror}") from exc
        roots = [directory] if header is None else [os.path.join(directory, path.lstrip("/")) for path in _roots(source)]
        written = extractor.written[0]
        return Scratch(directory, written.members, written.bytes, round(time.monotonic() - started, 3), tuple(roots), header)


def _roots(source: ArchiveSource) -> list[str]:
    try:
        return saved_roots(source)
    except UpkeepError:
        return []  # dumps of databases alone


def _refuse_shared(directory: str, base: int) -> None:
    status = os.fstat(base)
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
        raise UpkeepError(f"{directory} is not a private directory of the user who restores (mode 0700)")
    if os.listdir(base):
        raise UpkeepError(f"{directory} is not empty")
