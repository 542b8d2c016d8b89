# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What restic_backup says about a backup that it made, or would make; the same keys and checks as those of an archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.left_out import shown_rows, skipped_check
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.special_rights import rights_check
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.making import VANISHED, Made
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.plan import Looked, Plan
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now


def made_answer(
    plan: Plan, subject: str, looked: Looked, made: Made, header: Mapping[str, Any], snapshot: Snapshot, warnings: Sequence[str]
) -> dict[str, Any]:
    """Return what the module returns after a backup was made.

    :param subject: the repository, masked.
    """
    members = sum(made.number(f"{kind}_{state}") for kind in ("files", "dirs") for state in ("new", "changed", "unmodified"))
    size, added = made.number("total_bytes_processed"), made.number("data_added")
    summary = (
        f"Snapshot {snapshot.short} was made in {subject}: {members} files and folders, {bytes_text(size)},"
        f" of which {bytes_text(added)} are new."
    )
    vanished = [{"path": path, "reason": VANISHED} for path in made.vanished]
    backup = {
        "path": subject, "snapshot": snapshot.id, "backup_id": header["backup_id"], "label": plan.label,
        "bytes": added, "members": members, "unpacked_bytes": size,
        "started": to_iso(snapshot.created), "ended": to_iso(utc_now()), "torn": [],
        **_left_out(looked, vanished), "dumps": list(header["dumps"]),
    }
    checks = [
        check_result("backup.create", plan.label, OK, summary, value=added, unit="bytes"),
        skipped_check(plan.label, looked.left_out, len(vanished)),
        rights_check(plan.label, looked.rights, plan.accept),
    ]
    return _answer(subject, backup, checks, f"{snapshot.short} ({members} files and folders)", warnings)


def planned_answer(plan: Plan, subject: str, looked: Looked, *, new_repository: bool) -> dict[str, Any]:
    """Return what the module returns in check mode."""
    summary = f"A snapshot would be made in {subject}: {looked.members} files and folders, {bytes_text(looked.bytes)}."
    if new_repository:
        summary += " The repository would be made before."
    backup = {
        "path": subject, "snapshot": None, "backup_id": None, "label": plan.label,
        "bytes": None, "members": looked.members, "unpacked_bytes": looked.bytes, "started": None, "ended": None, "torn": [],
        **_left_out(looked, []), "dumps": [],
    }
    checks = [
        check_result("backup.create", plan.label, OK, summary, unit="bytes"),
        skipped_check(plan.label, looked.left_out),
        rights_check(plan.label, looked.rights, plan.accept),
    ]
    return _answer(subject, backup, checks, f"a snapshot ({looked.members} files and folders)", [])


def _answer(
    subject: str, backup: dict[str, Any], checks: list[dict[str, Any]], after: str, warnings: Sequence[str]
) -> dict[str, Any]:
    return {
        "changed": True, "backup": backup, "status": worst_of(checks), "checks": checks, "warnings": list(warnings),
        "diff": {"before": "", "after": f"{after}\n", "before_header": subject, "after_header": subject},
    }


def _left_out(looked: Looked, vanished: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    skipped, excluded = looked.left_out.skipped, looked.left_out.excluded
    return {
        "skipped": shown_rows([*skipped.rows, *vanished]), "skipped_count": len(skipped) + len(vanished),
        "excluded": shown_rows(excluded.rows), "excluded_count": len(excluded),
    }
