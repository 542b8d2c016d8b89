# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of bringing the security rules of a host up to date: one result for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, UNKNOWN, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.received_checks import read_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import said_reason, says
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: What a check is about when no module got as far as to say it.
SUBJECT = "security rules"
_LEFT_OUT = {"changed": False, "skipped": True, "skip_reason": "Conditional result was False"}
_MAX_REASON = 350


def rules_outcome(
    parts: Sequence[str], results: Mapping[str, Sequence[Any]], *, check_mode: bool, failure: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return ``{changed, checks}`` for the report.

    :param parts: those that there is something for, of ``blocklists``, ``fail2ban`` and ``nftables``.
    :param results: by part what its calls that act returned, in their order; one that was not made is empty or skipped.
    :param failure: ``part`` that failed, "" for what concerns all; ``acted``, whether anything was touched; ``msg``; and
        ``put_back``, the result of putting back what that part did, empty when nothing had to be.
    """
    if not parts:
        return dict(_LEFT_OUT)
    calls = {part: [one for one in results.get(part, []) if _made(one)] for part in parts}
    return {
        "changed": not check_mode and any(says(one, "changed") for made in calls.values() for one in made),
        "checks": [row for part in parts for row in _rows(part, calls[part], failure or {})],
    }


def _made(result: Any) -> bool:
    return isinstance(result, Mapping) and bool(result) and not says(result, "skipped")


def _rows(part: str, calls: Sequence[Mapping[str, Any]], failure: Mapping[str, Any]) -> list[dict[str, Any]]:
    check = f"rules.{part}"
    reason = plain(str(failure.get("msg") or "it gave no message"), _MAX_REASON).rstrip(".")
    if failure and failure.get("part") in (part, ""):
        return [check_result(check, SUBJECT, CRITICAL, f"{reason}. {_left(failure)}")]
    rows: list[dict[str, Any]] = read_checks(calls[-1].get("checks"))[0] if calls and not says(calls[-1], "failed") else []
    if rows:
        return rows
    why = f"{failure['part']} failed before" if failure else "the module left no checks"
    return [check_result(check, SUBJECT, UNKNOWN, f"Nobody brought the {part} up to date: {why}.")]


def _left(failure: Mapping[str, Any]) -> str:
    """Return how the host is left after a failure."""
    if not failure.get("acted"):
        return "It was refused before anything was touched."
    back = failure.get("put_back") or {}
    if not _made(back):
        return "What it did not do is as it was."
    if says(back, "unreachable"):
        return "The host does not answer: its timer puts the rules from before back."
    if says(back, "failed"):
        return f"The rules from before were not put back ({plain(said_reason(back), 150)}): their timer does that."
    return "The rules from before are in force." if says(back, "changed") else "Nothing had to be put back."
