#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give files of settings their rights, and see that they have the keys that services need."""

from __future__ import annotations

DOCUMENTATION = r"""
module: env_file
version_added: 0.1.0
short_description: Give files of settings (.env) their rights, and see that they have the keys that services need
description:
  - Sets mode and owner of each file, and says which required keys are missing, have no value, or have a placeholder of a template
    (C(changeme), C(your-...), C(<...>)) for one.
  - Keys are named; values are shown nowhere. A link is not followed.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - RV(files) says what changed of which file.
  idempotent:
    support: full
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The file.
        type: path
        required: true
      required_keys:
        description: Keys that must have a value.
        type: list
        elements: str
        default: []
      mode:
        description: Mode in octal digits.
        type: str
        default: "0600"
      owner:
        description: Owner. By default the one it has.
        type: str
        default: ""
"""

EXAMPLES = r"""
- name: See that the settings are whole and private
  upkeep.runbook.env_file:
    files:
      - path: /opt/neurosensefx/.env
        required_keys: [NODE_ENV, DATABASE_URL]
        owner: neurosense
"""

RETURN = r"""
files:
  description: The files whose rights changed, with C(path) and C(changed), which lists C(mode) and C(owner).
  returned: always
  type: list
  elements: dict
  sample:
    - path: /opt/neurosensefx/.env
      changed: [mode]
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description:
    - C(environment.file) for each file. It is critical when the file or a required value is missing, a warning when only other keys
      have placeholders, and unknown when it cannot be read.
  returned: always
  type: list
  elements: dict
  sample:
    - check: environment.file
      subject: /opt/neurosensefx/.env
      status: critical
      summary: /opt/neurosensefx/.env lacks DATABASE_URL.
      value: 1
      unit: count
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.recovery.environment import settle_files


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    file = {
        "path": {"type": "path", "required": True},
        # no_log is said since the name alone would warn: these are names of keys and no secrets.
        "required_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "mode": {"type": "str", "default": "0600"},
        "owner": {"type": "str", "default": ""},
    }
    return {"files": {"type": "list", "elements": "dict", "options": file, "required": True}}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = settle_files(module.params["files"], check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
