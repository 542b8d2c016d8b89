# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of what runs at this moment in PostgreSQL and MySQL: statements, transactions, waits. Their texts never leave as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Row, number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Judged, figure, longest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.statement_text import statement_head
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_MOST = 5
_WORDS = ("pid", "gid", "user", "application", "state", "waits_for", "lock", "mode", "relation", "blocked_by")
_FIGURES = ("query_seconds", "transaction_seconds", "idle_seconds", "wait_seconds")
#: The check, the figure of a session, what is said of the longest one and of none, and the next step.
_CHECKS = (
    ("queries", "query_seconds", "The longest statement has run for {figure}", "No statement runs",
     "Look at it (evidence): an index may be missing, or it waits. A person can end it: {end}."),
    ("transactions", "transaction_seconds", "The oldest open transaction is {figure} old", "No transaction is open",
     "Old rows cannot be removed while it is open. Mend the program that keeps it, or end it: {end}."),
    ("idle_transactions", "idle_seconds", "A session has done nothing for {figure} in an open transaction", "No session idles in a transaction",
     "The program began a transaction and forgot it; it holds its locks. Mend it, or end the session: {end}."),
)
_END = {"postgresql": "SELECT pg_terminate_backend({pid})", "mysql": "KILL {pid}"}
_HOLDER = {
    "postgresql": "Look at who holds the lock (evidence: blocked_by) and what that session does; it may idle in a transaction.",
    "mysql": "Look at who holds the lock (SHOW ENGINE INNODB STATUS, SHOW FULL PROCESSLIST); it may idle in a transaction.",
}
_END_PREPARED = {"postgresql": "COMMIT PREPARED or ROLLBACK PREPARED with its gid (evidence)", "mysql": "XA RECOVER names it, then XA COMMIT or XA ROLLBACK"}


def session_checks(judged: Judged, kind: str, rows: Sequence[Row], waits: Sequence[Row] | None) -> None:
    """Judge the sessions of a database.

    :param kind: ``postgresql`` or ``mysql``.
    :param rows: those that are at work or in a transaction, with the figures in seconds that they have.
    :param waits: those that wait for a lock; None when that could not be had.
    """
    counting = [row for row in rows if not ignored(row, judged.rules.ignored_sessions)]
    for name, key, said, none, hint in _CHECKS:
        row = longest(counting, key)
        pid = row.get("pid") if row else None
        end = _END[kind].format(pid=pid) if pid and isinstance(pid, int) else _END_PREPARED[kind]
        _judge(judged, name, row, key, said, none, hint.format(end=end))
    if waits is None:
        return
    row = longest(waits, "wait_seconds")
    count = f"{len(waits)} sessions wait for locks, the longest" if len(waits) > 1 else "A session has waited for a lock"
    _judge(judged, "lock_waits", row, "wait_seconds", f"{count} for {{figure}}", "No session waits for a lock", _HOLDER[kind])


def _judge(judged: Judged, name: str, row: Row | None, key: str, said: str, none: str, hint: str) -> None:
    value = 0.0 if row is None else max(0.0, float(row[key]))
    text = none if row is None else said.format(figure=figure_text(round(value, 1), "seconds"))
    judged.add(name, value, text, hint=hint, evidence=None if row is None else {"session": session(row)})


def ignored(row: Row, patterns: Sequence[str]) -> bool:
    """Tell whether the user or the application of a session fits one of the patterns."""
    names = [str(row.get(key) or "") for key in ("user", "application")]
    return any(fnmatchcase(name, pattern) for name in names if name for pattern in patterns)


def session(row: Row) -> dict[str, Any]:
    """Return what may be told of a session."""
    told: dict[str, Any] = {key: _word(row[key]) for key in _WORDS if row.get(key) not in (None, "")}
    told.update({key: figure(row[key], 1) for key in _FIGURES if row.get(key) is not None})
    if row.get("query"):
        told["statement"] = statement_head(str(row["query"]))
    return told


def _word(value: Any) -> Any:
    if isinstance(value, list):
        return [item for item in value[:10] if isinstance(item, int)]
    return value if isinstance(value, int) else plain(str(value), 80)


def told_sessions(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sessions whose statement or transaction is longest."""
    def age(row: Mapping[str, Any]) -> float:
        return max(number(row.get(key)) or 0.0 for key in _FIGURES)

    return [session(row) for row in sorted(rows, key=age, reverse=True)[:_MOST]]
