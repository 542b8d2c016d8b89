# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What backup_create says about a backup that it made, or would make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.archive_writing import ArchiveWriter
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creation_request import Request
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.left_out import LeftOut, named_paths, shown_rows, skipped_check
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import sidecar_path
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.special_rights import SpecialRights, rights_check
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.space import Totals, expected_bytes
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain


def build_answer(
    request: Request,
    header: Mapping[str, Any],
    archive: Mapping[str, Any],
    writer: ArchiveWriter,
    left_out: LeftOut,
    rights: SpecialRights,
    removed: Sequence[str],
) -> dict[str, Any]:
    """Return what the module returns after a backup was made."""
    totals = header["totals"]
    summary = (
        f"{request.path} was made: {totals['members']} members, {bytes_text(totals['bytes'])}, packed to"
        f" {bytes_text(archive['bytes'])}."
    )
    checks = [
        check_result("backup.create", request.label, OK, summary, value=archive["bytes"], unit="bytes"),
        _torn_check(request, writer),
        skipped_check(request.label, left_out),
        rights_check(request.label, rights, request.accept),
    ]
    backup = {
        **_described(request, left_out),
        "backup_id": header["backup_id"],
        "sha256": archive["sha256"],
        "bytes": archive["bytes"],
        "members": totals["members"],
        "unpacked_bytes": totals["bytes"],
        "started": header["started"],
        "ended": header["ended"],
        "torn": [plain(name) for name in writer.torn],
        "dumps": header["dumps"],
    }
    after = f"{request.path} ({totals['members']} members)\n"
    return _answer(request, backup, checks, [plain(name) for name in removed], after)


def planned_answer(request: Request, totals: Totals, left_out: LeftOut, rights: SpecialRights) -> dict[str, Any]:
    """Return what the module returns in check mode: what would be read, and about how large the archive would be."""
    expected = expected_bytes(totals, request.compression)
    summary = (
        f"{request.path} would be made: {totals.members} members,"
        f" {bytes_text(totals.bytes)}, packed to about {bytes_text(expected)}."
    )
    checks = [
        check_result("backup.create", request.label, OK, summary, unit="bytes"),
        skipped_check(request.label, left_out),
        rights_check(request.label, rights, request.accept),
    ]
    backup = {
        **_described(request, left_out),
        "backup_id": None,
        "sha256": None,
        "bytes": None,
        "members": totals.members,
        "unpacked_bytes": totals.bytes,
        "started": None,
        "ended": None,
        "torn": [],
        "dumps": [
            {
                "name": spec.name, "type": spec.type, "database": spec.database or spec.path, "member": spec.member,
                "bytes": None, "tool": None,
            }
            for spec in request.dumps
        ],
    }
    return _answer(request, backup, checks, [], f"{request.path} ({totals.members} members)\n")


def _described(request: Request, left_out: LeftOut) -> dict[str, Any]:
    return {
        "path": str(request.path),
        "manifest_path": sidecar_path(str(request.path)),
        "label": request.label,
        "compression": request.compression,
        "skipped": shown_rows(left_out.skipped.rows),
        "skipped_count": len(left_out.skipped),
        "excluded": shown_rows(left_out.excluded.rows),
        "excluded_count": len(left_out.excluded),
    }


def _answer(
    request: Request, backup: dict[str, Any], checks: list[dict[str, Any]], removed: list[str], after: str
) -> dict[str, Any]:
    return {
        "changed": True,
        "backup": backup,
        "leftovers_removed": removed,
        "status": worst_of(checks),
        "checks": checks,
        "diff": {"before": "", "after": after, "before_header": str(request.destination), "after_header": str(request.destination)},
        "warnings": request.warnings,
    }


def _torn_check(request: Request, writer: ArchiveWriter) -> dict[str, Any]:
    count = writer.torn_count
    if not count:
        return check_result(
            "backup.torn", request.label, OK, "No file changed while it was read.", value=0, unit="count", warning=1
        )
    return check_result(
        "backup.torn", request.label, WARNING,
        f"{count} files changed while they were read, so that what the backup holds of them may be no state that they ever"
        f" had: {named_paths(writer.torn, count)}.",
        value=count, unit="count", warning=1,
        hint="Dump a database instead of copying its files, stop what writes, or leave such files out with exclude.",
    )
