# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table that a run prints: plain text, one line for each check, problems first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK
from ansible_collections.upkeep.runbook.plugins.module_utils.run_record import NOT_RUN
from ansible_collections.upkeep.runbook.plugins.module_utils.run_summary import Row, absences, counts_sentence, problems, rows
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

#: More rows of ok than this share one line for each host and role: the page has them all.
MAX_OK_ROWS = 80

_WORDS = {"ok": "ok", "warning": "WARNING", "unknown": "UNKNOWN", "critical": "CRITICAL", NOT_RUN: "not run"}
_HEADINGS = ("STATUS", "HOST", "CHECK", "SUBJECT", "WHAT WAS SEEN")
_MAX_CELL = 48
_NAMED_HOSTS = 3


def table(record: Mapping[str, Any], *, report: str = "") -> str:
    """Return the table of a run.

    :param report: where the page is, or why there is none; the last line.
    """
    lines: list[tuple[Sequence[str], str]] = [(_HEADINGS, "")]
    listed = rows(record)
    lines += [(_cells(row), row.check.get("hint", "")) for row in problems(record)]
    lines += [(cells, "") for cells in _ok_lines([row for row in listed if row.status == OK and not row.suppressed])]
    lines += [(_cells(row, "suppressed"), "") for row in listed if row.suppressed]
    lines += [(cells, "") for cells in _absent_lines(record)]
    parts = [_title(record), "", f"{record['health']}: {counts_sentence(record)}", "", *_align(lines)]
    if report:
        parts += ["", plain(report, 1000)]
    return "\n".join(parts)


def _title(record: Mapping[str, Any]) -> str:
    seconds = (from_iso(record["ended"]) - from_iso(record["started"])).total_seconds()
    mode = ", check mode" if record["check_mode"] else ""
    return (
        f"{record['platform']}: {record['playbook']}, run {record['run_id']}, "
        f"{record['ended']} (took {max(seconds, 0):.0f} s{mode})"
    )


def _cells(row: Row, word: str = "") -> tuple[str, ...]:
    what = row.check["summary"]
    if row.suppressed:
        suppressed = row.check["suppressed"]
        what = f"{row.status}, suppressed until {suppressed.get('until')} ({suppressed.get('reason')}): {what}"
    return (word or _WORDS[row.status], row.host, row.check["check"], row.check["subject"], what)


def _ok_lines(listed: list[Row]) -> Iterable[tuple[str, ...]]:
    """Return a line for each ok row, or one for each host and role when there are very many."""
    if len(listed) <= MAX_OK_ROWS:
        return [_cells(row) for row in listed]
    numbers: dict[tuple[str, str], int] = {}
    for row in listed:
        key = (row.host, row.role)
        numbers[key] = numbers.get(key, 0) + int(row.check.get("folded", 1))
    return [(_WORDS[OK], host, role, f"{number} subjects", "ok") for (host, role), number in sorted(numbers.items())]


def _absent_lines(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a line for each role without checks and reason, for all its hosts together, the unknown ones first.

    An unknown role here belongs to a host that is unreachable, which has a row of its own among the problems.
    """
    hosts: dict[tuple[str, str, str], list[str]] = {}
    for gone in absences(record):
        hosts.setdefault((gone.status, gone.role, gone.reason), []).append(gone.host)
    return [
        (_WORDS[status], ", ".join(names) if len(names) <= _NAMED_HOSTS else f"{len(names)} hosts", "role.result", role, reason)
        for (status, role, reason), names in sorted(hosts.items(), key=lambda item: item[0][0] == NOT_RUN)
    ]


def _align(lines: list[tuple[Sequence[str], str]]) -> list[str]:
    """Pad every column but the last to its widest cell; a hint goes on a line of its own."""
    cut = [([plain(cell, _MAX_CELL) for cell in cells[:-1]] + [plain(cells[-1])], hint) for cells, hint in lines]
    widths = [max(len(cells[column]) for cells, _hint in cut) for column in range(len(_HEADINGS) - 1)]
    aligned = []
    for cells, hint in cut:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths)]
        aligned.append("  ".join([*padded, cells[-1]]).rstrip())
        if hint:
            aligned.append(f"{' ' * (widths[0] + 2)}-> {plain(hint)}")
    return aligned
