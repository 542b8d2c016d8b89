# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes: which audience wants to hear of which checks, from which severity on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, SEVERITY, severity
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

_SEVERITIES = tuple(status for status in SEVERITY if status != OK)
_KEYS = ("severity", "checks", "recovery")


@dataclass(frozen=True)
class Route:
    """What one audience wants to hear of.

    :ivar severity: the mildest status that it is told.
    :ivar checks: patterns for ids of checks.
    :ivar recovery: whether it is told that a problem is gone.
    """

    audience: str
    severity: str
    checks: tuple[str, ...] = ("*",)
    recovery: bool = True

    def wants(self, check: Mapping[str, Any]) -> bool:
        """Tell whether a check that counts is a problem for this audience."""
        return severity(check["status"]) >= severity(self.severity) and any(
            fnmatchcase(check["check"], pattern) for pattern in self.checks
        )


def read_routes(written: Mapping[str, Any]) -> dict[str, Route]:
    """Return the routes by audience.

    :raises UpkeepError: naming the audience and the key that is wrong.
    """
    return {str(audience): _read(str(audience), entry) for audience, entry in written.items()}


def _read(audience: str, entry: Any) -> Route:
    where = f"routes.{plain(audience, 60)}"
    if not isinstance(entry, Mapping):
        raise UpkeepError(f"{where} must be a mapping such as {{severity: warning}}, not {type(entry).__name__}")
    unknown = [str(key) for key in entry if key not in _KEYS]
    if unknown:
        raise UpkeepError(f"{where}.{plain(unknown[0], 40)} is no key of a route; accepted: {', '.join(_KEYS)}")
    status = str(entry.get("severity", "warning"))
    if status not in _SEVERITIES:
        raise UpkeepError(f"{where}.severity is {plain(status, 40)!r}; it must be one of {', '.join(_SEVERITIES)}")
    checks = entry.get("checks") or ["*"]
    if not isinstance(checks, (list, tuple)) or not all(isinstance(pattern, str) for pattern in checks):
        raise UpkeepError(f"{where}.checks must be a list of patterns such as certificate.*")
    recovery = entry.get("recovery", True)
    if not isinstance(recovery, bool):
        raise UpkeepError(f"{where}.recovery is {plain(str(recovery), 40)!r}; it must be true or false")
    return Route(audience, status, tuple(checks), recovery)
