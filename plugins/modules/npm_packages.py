#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install the packages of Node.js projects where they are not what the lockfile says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: npm_packages
version_added: 0.1.0
short_description: Install the packages of Node.js projects where they are not what the lockfile says
description:
  - Compares C(node_modules) of each project with its lockfile, and runs C(npm ci --ignore-scripts) where packages are missing, of
    another version, or too many. Backups leave C(node_modules) out, since npm can fetch it again.
  - No script of a package runs. Packages that are built when they are installed do not work then; keep C(node_modules) of such a
    project in its backup.
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
      - RV(projects) says which packages differ.
  idempotent:
    support: full
options:
  projects:
    description: Folders with C(package.json) and a lockfile of npm.
    type: list
    elements: path
    required: true
  user:
    description: The user who runs npm and to whom the packages belong. By default the one that the module runs as.
    type: str
    default: ""
  omit:
    description: Kinds of packages that are not installed.
    type: list
    elements: str
    choices: [dev, optional, peer]
    default: []
  executable:
    description: Name or path of npm.
    type: str
    default: npm
  timeout_seconds:
    description: How long all projects together may take, in seconds.
    type: float
    default: 900.0
"""

EXAMPLES = r"""
- name: Bring the packages back that the backup left out
  upkeep.runbook.npm_packages:
    projects: [/opt/neurosensefx, /opt/neurosensefx/services/tick-backend]
    user: neurosense
"""

RETURN = r"""
projects:
  description: For each project its C(path), whether its packages were C(installed) or would be, the C(reason), and C(seconds).
  returned: always
  type: list
  elements: dict
  sample:
    - path: /opt/neurosensefx
      installed: true
      reason: there is no node_modules
      seconds: 4.2
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description: C(dependency.installed) for each project, unknown when it has no lockfile of npm.
  returned: always
  type: list
  elements: dict
  sample:
    - check: dependency.installed
      subject: /opt/neurosensefx
      status: ok
      summary: The installed packages are those of the lockfile.
      value: null
      unit: null
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.installing import install_packages


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    return {
        "projects": {"type": "list", "elements": "path", "required": True},
        "user": {"type": "str", "default": ""},
        "omit": {"type": "list", "elements": "str", "choices": ["dev", "optional", "peer"], "default": []},
        "executable": {"type": "str", "default": "npm"},
        "timeout_seconds": {"type": "float", "default": 900.0},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = install_packages(module.params, check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
