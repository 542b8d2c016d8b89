# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the calls of a role found, as the one result that a run record reads.

Its rule is that no call goes missing silently: one that failed, was lost with its host or left no checks becomes a
message, beside the checks of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.registered_results import said_reason, says, was_left_out
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: As Ansible words it for a task whose condition was false.
_NOTHING_TO_DO = "Conditional result was False"
#: Characters for all reasons together, beside names.
_ROOM = 300
#: What the joined result says itself, and what says nothing about the host.
_NOT_KEPT = {"changed", "failed", "skipped", "unreachable", "checks", "invocation", "diff", "module_stderr", "module_stdout"}


def joined_result(parts: Mapping[str, Any], chosen: Iterable[str]) -> dict[str, Any]:
    """Join the results of the calls of a role.

    :param parts: by name of the part what its call registered; nothing when the tags of the run left the call out.
    :param chosen: the names that were asked for; others than those of ``parts`` are a failure.
    :return: ``changed``, ``failed``, ``msg``, ``checks`` and ``parts``, by name what each call returned besides.
        ``unreachable`` when the host was lost for good; ``skipped`` when nothing was to be done.
    """
    names = [chosen] if isinstance(chosen, str) else [str(name) for name in chosen]
    wrong = [f"{plain(name, 60)!r} is no part; accepted: {', '.join(parts)}" for name in names if name not in parts]
    asked = {name: result for name, result in parts.items() if result and not was_left_out(result)}
    if not asked and not wrong:
        return {"changed": False, "skipped": True, "skip_reason": _NOTHING_TO_DO, "parts": {}}
    lost = bool(asked) and says(list(asked.values())[-1], "unreachable")
    problems = [*wrong, *_told({name: _problem(result, lost) for name, result in asked.items()})]
    joined = {
        "changed": any(says(result, "changed") for result in asked.values()),
        "failed": bool(problems),
        "msg": "; ".join(problems),
        "checks": [check for result in asked.values() for check in _checks(result)],
        "parts": {name: _details(result) for name, result in asked.items()},
    }
    return {**joined, "unreachable": True} if lost else joined


def _problem(result: Any, lost: bool) -> str:
    """Return what keeps a result from being whole, '' when nothing does."""
    if says(result, "unreachable"):
        return said_reason(result) if lost else f"the host was lost: {said_reason(result)}"
    if says(result, "failed"):
        return said_reason(result)
    if says(result, "skipped"):
        return f"it was skipped: {said_reason(result)}"
    return "" if _checks(result) else "it left no checks"


def _told(problems: Mapping[str, str]) -> list[str]:
    """Say a reason once, with the parts that have it; without them when it is that of all, as on a host without Python."""
    by_reason: dict[str, list[str]] = {}
    for name, problem in problems.items():
        by_reason.setdefault(problem, []).append(name)
    if len(by_reason) <= 1:
        return [problem for problem in by_reason if problem]
    # A report cuts a long message off: each gets its share, so that none of the names is lost.
    share = max(_ROOM // len(by_reason), 40)
    return [f"{', '.join(names)}: {plain(problem, share)}" for problem, names in by_reason.items() if problem]


def _checks(result: Any) -> list[Any]:
    listed = result.get("checks") if isinstance(result, Mapping) else None
    return list(listed) if isinstance(listed, (list, tuple)) else []


def _details(result: Any) -> dict[str, Any]:
    if not isinstance(result, Mapping):
        return {}
    return {key: value for key, value in result.items() if key not in _NOT_KEPT}
