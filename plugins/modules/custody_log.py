#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Note what was done in an incident, in a log that shows when somebody has changed it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: custody_log
version_added: 0.1.0
short_description: Note what was done in an incident, so that a later change shows
description:
  - Appends entries to the custody log of an incident, a file of JSON lines. Each line holds the SHA-256 of the one before and its own, so
    that a line that was changed, removed, added or moved is found. Runs on the host that keeps the reports, with C(delegate_to).
  - Entries are flushed to disk before the call ends, all of them or none. What a killed process or a full disk left half written is set
    aside beside the log, told in the log, and never mistaken for tampering.
  - Somebody who can write the file can write a whole new one, or cut off its end. Keep RV(head) elsewhere, and give it as
    O(expected_head).
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - The log is verified, and nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Every call that records appends.
options:
  directory:
    description: Folder of the incidents on the report host. It is created with mode 0700.
    type: path
    required: true
  incident:
    description: Id of the incident, 1 to 64 letters, digits, dots, underscores and dashes.
    type: str
    required: true
  state:
    description:
      - V(recorded) verifies the log and appends to it, also when it is broken, since what happens next must be known too.
      - V(verified) looks and changes nothing.
    type: str
    choices: [recorded, verified]
    default: recorded
  entries:
    description: What is to be noted, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The host that it is about.
        type: str
        required: true
      step:
        description: A short word, such as V(evidence), V(isolate), V(block), V(sweep), V(verify) or V(release).
        type: str
        required: true
      outcome:
        description: How it ended.
        type: str
        choices: [done, failed, refused, planned]
        required: true
      summary:
        description: One sentence, at most 500 characters.
        type: str
        required: true
      details:
        description: What else is to be known; texts of at most 2000 characters, 64 KiB in all, and never a secret.
        type: dict
        default: {}
  operator:
    description: Who acts, for people. By default who called sudo on the report host.
    type: str
  run_id:
    description: Id of the run.
    type: str
  expected_head:
    description: A RV(head) that was kept elsewhere, C(sequence) and C(sha256). It must be in the log.
    type: dict
  wait_seconds:
    description: How long to wait for another process that writes to the log, V(0) to V(3600) seconds.
    type: float
    default: 30.0
notes:
  - Without modules at hand, C(docs/evidence.md) shows how to verify a log.
seealso:
  - module: upkeep.runbook.evidence_collect
"""

EXAMPLES = r"""
- name: Note that the host was isolated
  upkeep.runbook.custody_log:
    directory: /srv/reports/incidents
    incident: INC-42
    run_id: "{{ platform_run_id }}"
    entries:
      - host: "{{ inventory_hostname }}"
        step: isolate
        outcome: done
        summary: The host is isolated, and the way back works.
        details: {reverts_at: null}
  delegate_to: "{{ report_host }}"
  register: custody

- name: Verify the log, beside a head that was written down
  upkeep.runbook.custody_log:
    directory: /srv/reports/incidents
    incident: INC-42
    state: verified
    expected_head: {sequence: 12, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}
  delegate_to: "{{ report_host }}"
"""

RETURN = r"""
status:
  description: The status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description:
    - C(custody.chain) is critical when the log is not what was written, unknown when there is none or nobody can read it, and a warning
      when a write was cut off and nothing was noted since.
  returned: success
  type: list
  elements: dict
  sample:
    - check: custody.chain
      subject: /srv/reports/incidents/INC-42/custody.jsonl
      status: ok
      summary: All 12 entries of the custody log are as they were written.
      value: null
      unit: null
      warning: null
      critical: null
head:
  description: The last entry. Keep it elsewhere.
  returned: success
  type: dict
  contains:
    sequence:
      description: Its number; 0 when there is none.
      type: int
    sha256:
      description: Its checksum.
      type: str
recorded:
  description: The numbers of the entries that were noted.
  returned: success
  type: list
  elements: int
path:
  description: The file.
  returned: success
  type: str
  sample: /srv/reports/incidents/INC-42/custody.jsonl
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import OUTCOMES
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.recording import keep_custody
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    entry = {
        "host": {"type": "str", "required": True},
        "step": {"type": "str", "required": True},
        "outcome": {"type": "str", "required": True, "choices": list(OUTCOMES)},
        "summary": {"type": "str", "required": True},
        "details": {"type": "dict", "default": {}},
    }
    return {
        "directory": {"type": "path", "required": True},
        "incident": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["recorded", "verified"], "default": "recorded"},
        "entries": {"type": "list", "elements": "dict", "options": entry, "default": []},
        "operator": {"type": "str"},
        "run_id": {"type": "str"},
        "expected_head": {"type": "dict"},
        "wait_seconds": {"type": "float", "default": 30.0},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = keep_custody(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
