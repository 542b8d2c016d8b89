# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that every inspecting module takes."""

from __future__ import annotations


class ModuleDocFragment:
    """RV(ignore:checks) and what decides how many rows it has."""

    DOCUMENTATION = r"""
options:
  return_all:
    description:
      - Return one check for each subject, also for those that are ok.
      - Otherwise the subjects that are ok share one row for each kind of check, whose key C(folded) says how many they are.
    type: bool
    default: false
"""
