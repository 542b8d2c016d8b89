# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write a run record as Markdown."""

from __future__ import annotations

DOCUMENTATION = r"""
name: report_markdown
version_added: 0.1.0
short_description: Write a run record as Markdown
description:
  - Returns the problems, what is suppressed, what did not run and what is fine, as tables for tickets and chats.
  - Text that a target wrote is escaped. It cannot break a table, become a link, an image or HTML, or mention anybody.
author:
  - upkeep.runbook contributors
positional: _input
options:
  _input:
    description: A run record, as built by P(upkeep.runbook.run_record#filter).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep the report as Markdown
  ansible.builtin.set_fact:
    text: "{{ report_record | upkeep.runbook.report_markdown }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any


def report_markdown(record: Mapping[str, Any]) -> str:
    """Return the record as Markdown."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.run_markdown import markdown

    return markdown(record)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"report_markdown": report_markdown}
