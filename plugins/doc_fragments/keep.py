# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy of every module that removes old backups."""

from __future__ import annotations


class ModuleDocFragment:
    """Which backups are kept."""

    DOCUMENTATION = r"""
options:
  keep_last:
    description: How many of the newest are kept. At least one of the options C(keep_*) is above V(0).
    type: int
    default: 0
  keep_daily:
    description: The newest of each of so many days (UTC) that have one is kept.
    type: int
    default: 0
  keep_weekly:
    description: The newest of each of so many weeks that have one is kept. A week begins on Monday.
    type: int
    default: 0
  keep_monthly:
    description: The newest of each of so many months that have one is kept.
    type: int
    default: 0
  keep_yearly:
    description: The newest of each of so many years that have one is kept.
    type: int
    default: 0
  keep_within_days:
    description: All of so many days before the newest good one are kept.
    type: int
    default: 0
"""
