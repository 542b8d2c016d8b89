# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one look at a database found: values by section, and why a section could not be had."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Look

Row = Mapping[str, Any]


@dataclass
class Answers:
    """The answers of a server.

    :ivar version: of the server, such as ``15.8``.
    :ivar look: its counters.
    :ivar rows: rows by section.
    :ivar problems: why a section could not be had, and the step that would help, by section.
    :ivar seconds: how long it took to answer everything.
    """

    version: str = ""
    look: Look = field(default_factory=lambda: Look(0.0))
    rows: dict[str, list[Row]] = field(default_factory=dict)
    problems: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: float = 0.0

    def one(self, section: str) -> Row:
        """Return the only row of a section; an empty one when there is none."""
        rows = self.rows.get(section) or [{}]
        return rows[0]


def number(value: Any) -> float | None:
    """Return what a server gave as a number; None when it is none, or not a finite one."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
