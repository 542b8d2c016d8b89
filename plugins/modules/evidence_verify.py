#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verify the evidence of an incident where it is kept."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_verify
version_added: 0.1.0
short_description: Verify that the evidence of an incident is what was collected
description:
  - Reads every file of every collection beside its manifest, the manifest beside the custody log, and the custody log itself. Runs on the host
    that keeps the evidence, with C(delegate_to).
  - A file that was changed, removed or added is critical, and so is another manifest or a broken log. A collection that did not come to its
    end is a warning, and does not count.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  directory:
    description: Folder of the incidents.
    type: path
    required: true
  incident:
    description: Id of the incident.
    type: str
    required: true
  host:
    description: Look at the collections of this host only.
    type: str
  collection:
    description: Look at this collection only.
    type: str
  expected_head:
    description: A C(custody_head) that was kept elsewhere, C(sequence) and C(sha256). It must be in the custody log.
    type: dict
seealso:
  - module: upkeep.runbook.evidence_collect
"""

EXAMPLES = r"""
- name: Verify all evidence of an incident
  upkeep.runbook.evidence_verify:
    directory: /srv/reports/incidents
    incident: INC-42
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: ok
checks:
  description: C(evidence.integrity) for each collection, and C(custody.chain) for the custody log.
  returned: success
  type: list
  elements: dict
  sample:
    - check: evidence.integrity
      subject: backend/20261122T050000Z-1a2b3c4d
      status: ok
      summary: All 412 files of backend/20261122T050000Z-1a2b3c4d are as they were collected.
      value: 0
      unit: count
      warning: null
      critical: null
collections:
  description: The collections that are not ok, or all of them with O(return_all).
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The folder of the host.
      type: str
    collection:
      description: Id of the collection.
      type: str
    path:
      description: Its folder.
      type: str
    outcome:
      description: V(complete) or V(incomplete), as its manifest says.
      type: str
    files:
      description: How many files were read.
      type: int
    bytes:
      description: How many bytes they have.
      type: int
    status:
      description: The status of its check.
      type: str
totals:
  description: Counts of C(collections), and of those that are C(whole).
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.verifying import verify_evidence


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "directory": {"type": "path", "required": True},
        "incident": {"type": "str", "required": True},
        "host": {"type": "str"},
        "collection": {"type": "str"},
        "expected_head": {"type": "dict"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = verify_evidence(module.params)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
