# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Check results as they come back from a role: read with suspicion, since any target may have written them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import SEVERITY, check_result
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain, plain_value

MAX_CHECKS_PER_ROLE = 5000
_MAX_ID = 100
_MAX_UNIT = 40
_MAX_VALUE = 400


def read_checks(listed: Any) -> tuple[list[dict[str, Any]], str]:
    """Return the usable check results and what is wrong with the others ('' when nothing)."""
    if listed is None:
        return [], "the role returned no checks"
    if isinstance(listed, (str, bytes, Mapping)) or not isinstance(listed, Iterable):
        return [], f"its checks are no list but {type(listed).__name__}"
    listed = list(listed)
    checks: list[dict[str, Any]] = []
    problems: list[str] = []
    for index, raw in enumerate(listed[:MAX_CHECKS_PER_ROLE]):
        try:
            checks.append(_read_check(raw))
        except ValueError as exc:
            problems.append(f"checks[{index}] {exc}")
    if len(listed) > MAX_CHECKS_PER_ROLE:
        problems.append(f"{len(listed) - MAX_CHECKS_PER_ROLE} checks beyond {MAX_CHECKS_PER_ROLE} were left out")
    if not listed:
        problems.append("the role looked at nothing")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return checks, f"{problems[0]}{more}" if problems else ""


def _read_check(raw: Any) -> dict[str, Any]:
    """Return a clean copy of one check result.

    :raises ValueError: naming the key that is wrong.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(f"is no dictionary but {type(raw).__name__}")
    for key in ("check", "subject", "status", "summary"):
        if not isinstance(raw.get(key), str):
            raise ValueError(f"has no text as {key}")
    if not raw["check"].strip():
        raise ValueError("has an empty check id")
    if raw["status"] not in SEVERITY:
        raise ValueError(f"has the status {plain(raw['status'], 40)!r}, which is none of {', '.join(SEVERITY)}")
    evidence, hint, unit = raw.get("evidence"), raw.get("hint"), raw.get("unit")
    row = check_result(
        plain(raw["check"], _MAX_ID), raw["subject"], plain(raw["status"]), raw["summary"],
        value=_scalar(raw.get("value")),
        unit=plain(unit, _MAX_UNIT) if isinstance(unit, str) else None,
        warning=_scalar(raw.get("warning")),
        critical=_scalar(raw.get("critical")),
        hint=hint if isinstance(hint, str) else None,
        evidence=evidence if isinstance(evidence, dict) else None,
    )
    if isinstance(raw.get("folded"), int) and raw["folded"] > 0:
        row["folded"] = int(raw["folded"])
    if raw.get("suppressed"):
        if not isinstance(raw["suppressed"], Mapping):
            raise ValueError("has a suppression that is no dictionary")
        row["suppressed"] = plain_value(dict(raw["suppressed"]))
    return row


def _scalar(value: Any) -> Any:
    """Return a plain number, text, bool or None: subclasses that carry more lose it here."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return plain_value(float(value))
    return plain(str(value), _MAX_VALUE)
