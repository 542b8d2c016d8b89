# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every filter takes that derives the input of a role from the platform description."""

from __future__ import annotations


class ModuleDocFragment:
    """The description, and the host whose share of it is wanted."""

    DOCUMENTATION = r"""
options:
  _input:
    description: The description, usually C(upkeep_platform). It is checked as by P(upkeep.runbook.platform#filter).
    type: raw
    required: true
  inventory_hostname:
    description: Name of the host.
    type: str
    required: true
  group_names:
    description: Names of the groups of the host.
    type: list
    elements: str
    required: true
"""
