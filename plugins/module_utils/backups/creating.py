# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a backup: look, make room, dump, pack, and give it its name when it is whole and on the disk."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import packing, tar_writer
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.archive_writing import TOO_LATE, ArchiveWriter
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.created import build_answer, planned_answer
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_request import Request, read_request
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.destination import (
    Draft,
    last_archive_bytes,
    prepare_folder,
    refuse_unsafe,
    remove_leftovers,
    time_text,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.dump_members import KeptDumps
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.left_out import LeftOut
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import MEMBER_NAME, ManifestWriter
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.metadata import MetadataSurvey
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.space import (
    Totals,
    has_room,
    refuse_full_disk,
    reserve_bytes,
    whole_file_systems,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.special_rights import SpecialRights
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.walking import TreeWalk
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now

_PAUSE_SECONDS = 0.1


def create_backup(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Make a backup, or say what would be in it, and return what the module returns.

    :param params: the options of the module.
    :raises UpkeepError: when no whole backup could be made; nothing that looks like one is left then.
    """
    request = read_request(params, now)
    if check_mode:
        left_out = LeftOut()
        if request.destination.is_dir():
            refuse_unsafe(request.destination)
        rights = SpecialRights()
        totals = replace(_totals(request, left_out, rights), packed=last_archive_bytes(request.destination, request.label))
        refuse_full_disk(request, totals)
        return planned_answer(request, totals, left_out, rights)
    owner = LockOwner(params["run_id"] or "-", "backup_create", to_iso(now))
    with exclusive_lock(Path(params["state_directory"]) / "lock", owner, wait_seconds=params["lock_wait_seconds"]):
        return _create(request)


def _create(request: Request) -> dict[str, Any]:
    prepare_folder(request.destination)
    request = _with_free_name(request)
    removed = remove_leftovers(request.destination, request.label)
    last = last_archive_bytes(request.destination, request.label)
    _refuse_full_disk(request, last)
    try:
        with ExitStack() as stack:
            return _write(request, stack, removed)
    except OSError as exc:
        raise UpkeepError(
            f"cannot write the backup to {request.destination}: {exc.strerror or exc}; earlier backups are untouched"
        ) from exc


def _refuse_full_disk(request: Request, last: int | None) -> None:
    """Raise when there is no room, which the last archive tells, or how full the file systems are, or else a walk.

    :param last: bytes of the last archive with this label, or None.
    """
    if last:
        refuse_full_disk(request, Totals(packed=last))
        return
    most = whole_file_systems(request)
    if most is None or not has_room(request, most):
        refuse_full_disk(request, _totals(request, LeftOut(), SpecialRights()))


def _with_free_name(request: Request) -> Request:
    """Return the request with a time that no other backup of the label has in its name: a second has only one."""
    while request.is_taken():
        time.sleep(_PAUSE_SECONDS)
        request = replace(request, now=utc_now())
    return request


def _write(request: Request, stack: ExitStack, removed: list[str]) -> dict[str, Any]:
    """Write the archive, its manifest, and give both their names."""
    deadline = time.monotonic() + request.timeout_seconds
    survey = stack.enter_context(closing(MetadataSurvey(request.git, request.services)))
    dumps = stack.enter_context(closing(KeptDumps()))
    reserve = reserve_bytes(request)
    dumps.make(request.dumps, str(request.destination), reserve, deadline)
    draft = stack.enter_context(closing(Draft(request.destination, request.name)))
    listed = stack.enter_context(closing(ManifestWriter(str(request.destination))))
    left_out, rights = LeftOut(), SpecialRights()
    target = packing.PackedFile(draft.descriptor, reserve)
    packer = packing.start_packer(request.compression, request.level, target)
    stack.callback(packer.close)
    watch = threading.Timer(request.timeout_seconds, packer.abort, (TOO_LATE,))
    stack.callback(watch.cancel)
    watch.start()
    writer = ArchiveWriter(packer, listed)
    walk = TreeWalk(request.roots, _identity(request.destination), left_out, read=True)
    writer.write_all(chain(rights.watched(walk), dumps.members), deadline)
    if not listed.members:
        raise UpkeepError("there is nothing to back up: all that the sources name is left out")
    header = _manifest_header(request, survey, left_out, dumps.rows, writer, listed)
    writer.write_last(MEMBER_NAME, listed.size(header), listed.chunks(header))
    packer.write([tar_writer.end_of_archive(writer.position)])
    packer.finish()
    archive = {"name": request.name, "bytes": target.bytes, "sha256": target.sha256}
    draft.publish(listed.chunks({**header, "archive": archive}))
    return build_answer(request, header, archive, writer, left_out, rights, removed)


def _manifest_header(
    request: Request,
    survey: MetadataSurvey,
    left_out: LeftOut,
    dumps: list[dict[str, Any]],
    writer: ArchiveWriter,
    listed: ManifestWriter,
) -> dict[str, Any]:
    """Return all that a manifest says besides its members."""
    header: dict[str, Any] = {
        "backup_id": f"{time_text(request.now)}-{secrets.token_hex(4)}",
        "label": request.label,
        "platform": request.platform,
        "host": request.host,
        "started": to_iso(request.now),
        "ended": to_iso(utc_now()),
        "metadata": survey.answer(),
        "sources": request.sources,
        "excluded": left_out.excluded.rows,
    }
    if left_out.excluded.more:
        header["excluded_more"] = left_out.excluded.more
    header["skipped"] = left_out.skipped.rows
    if left_out.skipped.more:
        header["skipped_more"] = left_out.skipped.more
    header["dumps"] = dumps
    header["totals"] = {
        "members": listed.members, "files": writer.files, "bytes": writer.contents, "torn": writer.torn_count,
    }
    return header


def _totals(request: Request, left_out: LeftOut, rights: SpecialRights) -> Totals:
    """Walk the sources without reading a file."""
    members = files = size = 0
    for found in rights.watched(TreeWalk(request.roots, _identity(request.destination), left_out, read=False)):
        members += 1
        if found.type == "file":
            files, size = files + 1, size + found.status.st_size
    return Totals(members=members, files=files, bytes=size)


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
