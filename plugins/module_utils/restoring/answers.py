# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the module ``backup_restore`` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, WARNING, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.archive_source import ArchiveSource
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.journal import Journal
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.planning import Changes
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preparing import Prepared
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.swapping import Staged
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain, plain_value

CHECK = "backup.restore"


def planned(source: ArchiveSource, prepared: Prepared, changes: Sequence[Changes]) -> dict[str, Any]:
    """Return what check mode answers."""
    rows, checks = [], []
    for target, amount, change in zip(prepared.targets, prepared.amounts, changes):
        rows.append(_row(target, None, amount.members, amount.bytes, 0.0, 0))
        summary = (
            f"{target} would be restored from {source.path}: {change.added} added, {change.changed} changed,"
            f" {change.removed} removed, {change.same} as they are."
        )
        checks.append(check_result(CHECK, target, OK, summary, value=amount.bytes, unit="bytes"))
    return _answer(rows, checks, source.header, changed=True, id=None, seconds=0.0, changes=changes)


def restored(
    source: ArchiveSource, prepared: Prepared, staged: Staged, changes: Optional[Sequence[Changes]], *, seconds: float,
    removed: Sequence[str], differing: Sequence[str], keeps: bool,
) -> dict[str, Any]:
    """Return what a restore answers that was done."""
    rows, checks = [], []
    for item, written, carried in zip(staged.items, prepared.written, prepared.carried):
        previous = item.kept if item.old is not None and keeps else None
        rows.append(_row(item.target, previous, written.members, written.bytes, seconds, carried))
        before = f"the one before is {previous}" if previous else "there was none before" if item.old is None else "none is kept"
        compared = "" if source.header else ", compared with no manifest, since it has none"
        size = bytes_text(written.bytes)
        summary = f"{item.target} was restored from {source.path} ({written.members} members, {size}{compared}); {before}."
        checks.append(check_result(CHECK, item.target, OK, summary, value=written.bytes, unit="bytes"))
    if differing:
        checks.append(check_result(
            CHECK, source.path, WARNING,
            f"{source.path}: {len(differing)} or more files have other contents than when they were packed, such as {differing[0]}.",
            value=len(differing), unit="count", hint="They were restored because of verify: none. Look at each.",
            evidence={"files": list(differing)},
        ))
    answer = _answer(rows, checks, source.header, changed=True, id=staged.id, seconds=seconds, changes=changes)
    return {**answer, "removed": list(removed)}


def returned(journal: Journal, *, changed: bool, check_mode: bool) -> dict[str, Any]:
    """Return what going back to the trees from before answers."""
    rows, checks = [], []
    would = "would be" if check_mode else "is"
    for item in journal.items:
        kept = item.kept if item.new is not None else None
        rows.append(_row(item.target, kept, 0, 0, 0.0, 0))
        what = "absent, as before" if item.old is None else "again what it was before"
        summary = f"{item.target} {would} {what} the restore of {journal.started} ({journal.id}); what was restored is in {kept}."
        checks.append(check_result(CHECK, item.target, OK, summary))
    return _answer(rows, checks, None, changed=changed, id=journal.id, seconds=0.0, changes=None)


def nothing_of_run(run_id: str) -> dict[str, Any]:
    """Return what going back answers when a run has restored nothing that stands."""
    summary = f"Run {run_id} has exchanged no files here that still stand, so none go back."
    return _answer([], [check_result(CHECK, run_id, OK, summary)], None, changed=False, id=None, seconds=0.0, changes=None)


def _row(target: str, previous: Optional[str], members: int, size: int, seconds: float, carried: int) -> dict[str, Any]:
    return {
        "target": target, "previous": previous, "members": members, "bytes": size, "seconds": seconds, "carried_over": carried,
    }


def _answer(
    rows: Sequence[dict[str, Any]], checks: Sequence[dict[str, Any]], header: Optional[Mapping[str, Any]], *, changed: bool,
    id: Optional[str], seconds: float, changes: Optional[Sequence[Changes]],
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "changed": changed, "restored": list(rows), "id": id, "seconds": seconds, "checks": list(checks),
        "status": worst_of(checks), "manifest": plain_value(dict(header)) if header else None, "removed": [],
        "changes": [change.as_result() for change in changes or ()],
    }
    if changes is not None:
        answer["diff"] = [{"prepared": "".join(plain_lines(change) for change in changes)}]
    return answer


def plain_lines(change: Changes) -> str:
    """Return the lines about one target, each of them bounded and printable."""
    return "".join(f"{plain(line, 400)}\n" for line in change.as_text().splitlines())
