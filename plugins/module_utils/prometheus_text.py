# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run records in the Prometheus text exposition format, for the textfile collector of the node exporter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, identity, severity
from ansible_collections.upkeep.runbook.plugins.module_utils.run_summary import rows
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso

#: Codes as of the monitoring plugins, which dashboards know; not the order of severity.
CODES = {OK: 0, WARNING: 1, CRITICAL: 2, UNKNOWN: 3}

_CODES_TEXT = "0 ok, 1 warning, 2 critical, 3 unknown"
_CHECK_LABELS = ("platform", "host", "check", "subject")


def exposition(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the metrics of the newest record of each playbook of one platform.

    Two playbooks may check the same subject. One identity must appear once, or the node exporter refuses the file:
    the newest record that knows it wins, and within a record its worst status.

    :param records: at most one for each playbook.
    """
    statuses: dict[tuple[str, ...], str] = {}
    suppressed: set[tuple[str, ...]] = set()
    for record in sorted(records, key=lambda record: (record["ended"], record["run_id"]), reverse=True):
        own: dict[tuple[str, ...], str] = {}
        hidden: set[tuple[str, ...]] = set()
        for row in rows(record):
            key = identity(record["platform"], row.host, row.check)
            if row.suppressed:
                hidden.add(key)
            elif key not in own or severity(row.status) > severity(own[key]):
                own[key] = row.status
        seen = statuses.keys() | suppressed
        statuses.update({key: status for key, status in own.items() if key not in seen})
        suppressed |= {key for key in hidden if key not in seen and key not in own}
    runs = [((record["platform"], record["playbook"]), record) for record in records]
    families = [
        _family(
            "upkeep_check_status", f"Status of a check: {_CODES_TEXT}.", _CHECK_LABELS,
            [(key, CODES[status]) for key, status in statuses.items()],
        ),
        _family(
            "upkeep_check_suppressed", "A check that is kept in the record and does not count.", _CHECK_LABELS,
            [(key, 1) for key in suppressed],
        ),
        _family(
            "upkeep_run_status", f"Status of the last whole run: {_CODES_TEXT}.", ("platform", "playbook"),
            [(key, CODES[record["status"]]) for key, record in runs],
        ),
        _family(
            "upkeep_run_ended_timestamp_seconds", "When the last whole run ended, in seconds since the epoch.",
            ("platform", "playbook"), [(key, int(from_iso(record["ended"]).timestamp())) for key, record in runs],
        ),
        _family(
            "upkeep_run_duration_seconds", "How long the last whole run took.", ("platform", "playbook"),
            [(key, _seconds(record)) for key, record in runs],
        ),
    ]
    return "".join(families)


def escape_label(value: str) -> str:
    """Escape a label value: backslash, double quote and line feed, as the format demands."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _family(name: str, text: str, labels: Sequence[str], samples: Iterable[tuple[Sequence[str], int]]) -> str:
    lines = []
    for key, number in sorted(samples):
        pairs = ",".join(f'{label}="{escape_label(value)}"' for label, value in zip(labels, key))
        lines.append(f"{name}{{{pairs}}} {number}")
    if not lines:
        return ""
    return "\n".join([f"# HELP {name} {text}", f"# TYPE {name} gauge", *lines, ""])


def _seconds(record: Mapping[str, Any]) -> int:
    return max(int((from_iso(record["ended"]) - from_iso(record["started"])).total_seconds()), 0)
