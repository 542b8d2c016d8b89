# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module returns of what was done, or would be done: rows, figures, diff and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import SUFFIXES, Archive
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning import LogPlan
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.verdicts import check_log, check_unmatched
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_ROWS = 1000
MAX_DIFF_LINES = 200

Row = dict[str, Any]


def build_answer(
    plans: Sequence[LogPlan],
    unmatched: Sequence[str],
    more_checks: Sequence[Row],
    *,
    return_all: bool,
    unseen: int,
    done: bool,
) -> Row:
    """Return what the module returns.

    :param unmatched: patterns that match nothing.
    :param more_checks: checks that are not about one rotation.
    :param unseen: processes that this user may not look into.
    :param done: false in check mode.
    :raises UpkeepError: when something that was to be done could not be; it carries the same answer.
    """
    rotated: list[Row] = []
    completed: list[Row] = []
    removed: list[Row] = []
    for plan in plans:
        new, old = _packed_rows(plan, done)
        rotated += new
        completed += old
        removed += [
            {"path": plain(plan.path, 4096), "archive": _place(plan, archive), "bytes": size, "reason": reason}
            for archive, size, reason in (plan.removed if done else [] if plan.refused else plan.removals)
        ]
    checks = [check_log(plan, unseen=unseen, done=done) for plan in plans]
    checks += [check_unmatched(pattern) for pattern in unmatched]
    checks += more_checks
    answer = {
        "changed": bool(rotated or completed or removed) or any(bool(plan.drafts) and not plan.refused for plan in plans),
        "status": worst_of(checks),
        "checks": fold_ok(checks, return_all=return_all),
        "totals": _totals(plans, rotated, completed, removed, done),
        "rotated": rotated if return_all else rotated[:MAX_ROWS],
        "completed": completed if return_all else completed[:MAX_ROWS],
        "removed": removed if return_all else removed[:MAX_ROWS],
        "bytes_freed": sum(row["bytes"] for row in removed) + _saved(rotated + completed),
        "diff": _diff(rotated, completed, removed),
    }
    failed = [(plan, failure) for plan in plans for failure in plan.failures]
    if failed:
        plan, failure = failed[0]
        more = f" ({len(failed) - 1} more problems are among the checks)" if len(failed) > 1 else ""
        raise UpkeepError(f"{plain(plan.path, 300)}: {failure}{more}", **answer)
    return answer


def _packed_rows(plan: LogPlan, done: bool) -> tuple[list[Row], list[Row]]:
    """Return the rows of the archive that was made now, and of earlier ones that were packed now."""
    if plan.refused:
        return [], []
    path = plain(plan.path, 4096)
    if not done:
        suffix = SUFFIXES[plan.group.compress]
        size = plan.status.st_size if plan.status else 0
        new = [_row(path, plan, plan.archive._replace(packed=suffix), size, None)] if plan.archive else []
        old = [_row(path, plan, archive._replace(packed=suffix), None, None) for archive, _id in plan.raw] if plan.packs else []
        return new, old
    packed = {archive.raw: (archive, size, packed_size) for archive, size, packed_size in plan.packed}
    new = []
    if plan.archive is not None and plan.rotated_bytes:
        archive, size, packed_size = packed.pop(plan.archive.raw, (plan.archive, plan.rotated_bytes, None))
        new.append(_row(path, plan, archive, size, packed_size))
    return new, [_row(path, plan, *item) for item in packed.values()]


def _row(path: str, plan: LogPlan, archive: Archive, size: int | None, packed: int | None) -> Row:
    row = {"path": path, "archive": _place(plan, archive), "bytes": size, "compressed_bytes": packed}
    if plan.group.method == "copytruncate":
        row["bytes_at_risk"] = plan.bytes_at_risk
    return row


def _place(plan: LogPlan, archive: Archive) -> str:
    return plain(f"{plan.folder.rstrip('/')}/{archive.name}", 4096)


def _saved(rows: Sequence[Row]) -> int:
    return sum(row["bytes"] - row["compressed_bytes"] for row in rows if row["compressed_bytes"] is not None)


def _totals(
    plans: Sequence[LogPlan], rotated: Sequence[Row], completed: Sequence[Row], removed: Sequence[Row], done: bool
) -> dict[str, int]:
    return {
        "logs": len(plans),
        "rotated": len(rotated),
        "completed": len(completed),
        "removed": len(removed),
        "refused": sum(bool(plan.refused) for plan in plans),
        "not_due": sum(bool(plan.not_due) and not plan.refused for plan in plans),
        "waiting": sum(bool(plan.raw) and plan.group.compress != "none" for plan in plans) if done else 0,
        "rotated_bytes": sum(row["bytes"] or 0 for row in rotated),
        "compressed_bytes": sum(row["compressed_bytes"] or 0 for row in rotated),
    }


def _diff(rotated: Sequence[Row], completed: Sequence[Row], removed: Sequence[Row]) -> dict[str, str]:
    """Return the files before and after; only those that change."""
    before = [f"{row['path']} ({row['bytes']} bytes)" for row in rotated]
    after = [row["archive"] for row in rotated]
    before += [row["archive"].rpartition(".")[0] for row in completed]
    after += [row["archive"] for row in completed]
    before += [f"{row['archive']} ({row['bytes']} bytes)" for row in removed]
    return {"before": _lines(before), "after": _lines(after)}


def _lines(lines: Sequence[str]) -> str:
    more = [f"... and {len(lines) - MAX_DIFF_LINES} more"] if len(lines) > MAX_DIFF_LINES else []
    return "".join(f"{line}\n" for line in [*lines[:MAX_DIFF_LINES], *more])
