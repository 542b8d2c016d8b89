# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turn a text with commas into a list."""

from __future__ import annotations

DOCUMENTATION = r"""
name: named_items
version_added: 0.1.0
short_description: Turn a text with commas into a list
description:
  - Returns a list as it is, and the parts of a text with commas, as it comes from a command line or a survey, without empty ones.
positional: _input
author:
  - upkeep.runbook contributors
options:
  _input:
    description: A list or a text.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show two names
  ansible.builtin.debug:
    msg: "{{ 'web-1, web-2' | upkeep.runbook.named_items }}"
"""

RETURN = r"""
_value:
  description: The list.
  type: list
  elements: raw
"""

from collections.abc import Callable
from typing import Any


def named_items(value: Any) -> list[Any]:
    """Return the list."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.incidents.block_requests import named
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    return named(native_value(value))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"named_items": named_items}
