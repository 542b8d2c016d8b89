# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shares in percent."""

from __future__ import annotations


def percent(part: float, whole: float) -> float:
    """Return the share in percent, with three digits behind the point; 0 of nothing."""
    return round(100.0 * part / whole, 3) if whole else 0.0
