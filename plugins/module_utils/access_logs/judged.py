# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A group of access logs as it is judged, and the check of a figure that is too high from a threshold on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.weekly_pattern import Comparison
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, check_result, grade
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import limits_text

Check = dict[str, Any]


class Judged(NamedTuple):
    """A group as it is judged.

    :ivar kinds: the fields that its format tells.
    :ivar figures: as :func:`~.figures.group_figures` returns them.
    """

    name: str
    format_name: str
    kinds: frozenset[str]
    limits: Mapping[str, float]
    figures: Mapping[str, Any]
    pattern: Comparison
    unread: bool

    @property
    def requests(self) -> int:
        """The requests that count."""
        return int(self.figures["totals"]["requests"])

    def limit(self, name: str) -> float | None:
        """Return a threshold; None when it is switched off."""
        return self.limits[name] or None


def row_of(
    group: Judged,
    check: str,
    value: float,
    unit: str,
    name: str,
    text: str,
    more: str,
    *,
    hint: str,
    evidence: dict[str, Any] | None,
    requests: int | None = None,
    few: str = "",
) -> Check:
    """Return the check of a figure that is too high from a threshold on, when enough requests stand behind it.

    :param requests: so many; by default those of the group.
    :param few: another reason why the figure is told and not judged.
    """
    warning, critical = group.limit(f"{name}_warning_{unit}"), group.limit(f"{name}_critical_{unit}")
    if (group.requests if requests is None else requests) < group.limits["min_sample"]:
        few = f"fewer than {group.limits['min_sample']:g} requests are too few to judge"
    status = OK if few else grade(value, warning, critical)
    more = f"; {few}" if few else more if status != OK else ""
    return check_result(
        check, group.name, status, f"{text} ({limits_of(warning, critical, unit)}){more}.", value=value,
        unit=unit, warning=warning, critical=critical, evidence=evidence if status != OK else None,
        hint=hint if status != OK else None,
    )  # fmt: skip


def limits_of(warning: float | None, critical: float | None, unit: str) -> str:
    """Return thresholds in words."""
    return limits_text(warning, critical, unit) or "no threshold"
