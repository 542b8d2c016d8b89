# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rows that a scan returns beside its checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.baseline import Baseline
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.counting import Seen
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.group_scan import Scanned
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.judging import Window
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.memory import Known
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import Group, Pattern
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

MAX_ROWS = 200
_MAX_FILES = 50
#: States of files in which nothing is read: they are counted, not listed.
_SILENT = ("unchanged", "skipped", "copy", "making")


def group_details(
    group: Group,
    patterns: Sequence[Pattern],
    scanned: Scanned,
    window: Window,
    baseline: Baseline | None,
    new: int,
    status: str,
) -> dict[str, Any]:
    """Return what was counted in a group."""
    counter = scanned.counter
    read = [row for row in scanned.files if row["state"] not in _SILENT]
    return {
        "name": group.name,
        "status": status,
        "lines": counter.lines,
        "bytes": scanned.bytes,
        "minutes": None if window.minutes is None else round(window.minutes, 2),
        "levels": dict(counter.levels),
        "errors": counter.errors,
        "errors_per_minute": window.rate(counter.errors),
        "baseline": None if baseline is None else {
            "runs": baseline.runs, "median_per_minute": round(baseline.median, 4),
            "deviation_per_minute": round(baseline.deviation, 4), "limit_per_minute": round(baseline.limit, 4),
        },
        "patterns": [
            {"name": pattern.name, "count": count, "per_minute": window.rate(count)}
            for pattern, count in zip(patterns, counter.patterns)
        ],
        "signatures": {"seen": len(counter.signatures), "new": new, "folded_lines": counter.folded},
        "ignored_lines": counter.ignored,
        "cut_lines": scanned.figures.cut_lines,
        "nul_bytes": scanned.figures.nul_bytes,
        "files": sorted(read, key=lambda row: -row["bytes"])[:_MAX_FILES],
        "files_seen": len(scanned.files),
        "complete": scanned.complete,
        "journal_begins": to_iso(scanned.reach.begins) if scanned.reach is not None and scanned.reach.begins is not None else None,
        "warnings": scanned.warnings[:20],
        "problems": [f"{subject} {problem}" for subject, problem in scanned.problems[:20]],
    }  # fmt: skip


def new_signature_rows(
    group: str, seen: Mapping[str, Seen], known: Mapping[str, Known], now: datetime
) -> list[dict[str, Any]]:
    """Return the signatures of this run that no run met before, those with the most lines first."""
    rows = [
        {
            "group": group, "fingerprint": fingerprint, "level": row.level, "signature": row.text, "count": row.count,
            "first_seen": to_iso(now), "last_seen": to_iso(now), "file": row.source, "sample": row.sample,
        }
        for fingerprint, row in seen.items()
        if fingerprint not in known
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -int(str(row["count"])))


def totals_of(groups: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the sums over all groups."""
    return {
        "groups": len(groups),
        **{key: sum(int(row[key]) for row in groups) for key in ("lines", "bytes", "errors", "ignored_lines", "cut_lines")},
        "new_signatures": sum(row["signatures"]["new"] for row in groups),
    }
