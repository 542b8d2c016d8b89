#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_table
version_added: 0.1.0
short_description: Print the table of a run
description:
  - Prints one line for each check of a run record, problems first, each problem with its next step.
  - The table goes through Ansible's own display, so that it appears under every callback, in a log file and in a controller's job
    output. Under the callbacks C(json) and C(jsonl) it goes to standard error, which leaves their output valid.
  - When more than 80 checks are ok, those of each host and role share one line.
author:
  - upkeep.runbook contributors (!UNKNOWN)
attributes:
  action:
    description: Runs on the controller; needs no connection and no Python on the host.
    support: full
  check_mode:
    description: Prints the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: N/A
options:
  record:
    description: A run record, as built by P(upkeep.runbook.run_record#filter).
    type: dict
    required: true
  report:
    description: Where the report is, or why there is none; printed as the last line.
    type: str
    default: ""
seealso:
  - module: upkeep.runbook.run_report
"""

EXAMPLES = r"""
- name: Print the table
  upkeep.runbook.run_table:
    record: "{{ report_record }}"
    report: "Report: /var/lib/reports/latest.html"
  run_once: true
"""

RETURN = r"""
table:
  description: The text that was printed.
  returned: always
  type: str
  sample: |-
    NeuroSense FX: daily, run 20261122T050000Z-1a2b3c4d, 2026-11-22T05:00:12Z (took 12 s)

    HEALTHY: 2 ok on 1 host

    STATUS  HOST     CHECK           SUBJECT       WHAT WAS SEEN
    ok      backend  host.reachable  backend       The host answers.
    ok      backend  service.http    tick-backend  GET http://127.0.0.1:8081/health answered 200 after 0.012 s.
"""
