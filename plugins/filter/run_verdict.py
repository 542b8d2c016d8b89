# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say in one sentence how a run ended."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_verdict
version_added: 0.1.0
short_description: The sentence a run ends with
description:
  - Names the health of the platform, the counts and the worst problems of a run record.
  - Says whether the run fails at the severity that was asked for.
author:
  - upkeep.runbook contributors
positional: _input, fail_on
options:
  _input:
    description: A run record, as built by P(upkeep.runbook.run_record#filter).
    type: dict
    required: true
  fail_on:
    description:
      - The run fails at this severity or worse. One of V(warning), V(unknown), V(critical) and V(never).
      - Any other word fails the run and is named in the message, after everything else was reported.
    type: str
    default: unknown
"""

EXAMPLES = r"""
- name: End with the verdict
  ansible.builtin.fail:
    msg: "{{ (report_record | upkeep.runbook.run_verdict('critical')).message }}"
  when: (report_record | upkeep.runbook.run_verdict('critical')).fails
  run_once: true
"""

RETURN = r"""
_value:
  description: What to say, whether to fail, and the figures.
  type: dict
  contains:
    message:
      description: Health, counts and worst problems in one sentence.
      type: str
      sample: "NeuroSense FX is DEGRADED (daily: 1 warning, 41 ok on 3 hosts). Worst: ..."
    fails:
      description: Whether the status reaches O(fail_on), or O(fail_on) is no severity.
      type: bool
    statistics:
      description: The run in a few figures, without any text that a target wrote.
      type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any


def run_verdict(record: Mapping[str, Any], fail_on: str = "unknown") -> dict[str, Any]:
    """Return ``{message, fails, statistics}``."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.run_summary import fails, statistics, verdict

    message = verdict(record)
    try:
        failing = fails(record["status"], str(fail_on))
    except ValueError as exc:
        # The report exists by now and is worth more than a template error; the wrong word must not pass for `never`.
        failing, message = True, f"{message} The run fails in any case: {exc}."
    return {"message": message, "fails": failing, "statistics": statistics(record)}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"run_verdict": run_verdict}
