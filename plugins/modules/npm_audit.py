#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: npm_audit
short_description: Audit the dependencies of projects of npm for known vulnerabilities
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Asks the registry, through the npm of the host, which versions in the lockfile of each project have known
    vulnerabilities.
  - Only a report counts as an answer. A registry that is away, refuses, answers with something else or not in time is
    V(unknown) with the reason, neither clean nor vulnerable. The same goes for a host without npm and a project without
    a lockfile of npm.
  - Nothing of a project is run or changed. npm gets a copy of C(package.json) and the lockfile in a private folder, so it
    runs no script, writes nothing into the project, and does not read the project's C(.npmrc), which could send it to
    another registry.
  - What is audited is the lockfile. What really lies in C(node_modules) may differ.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  projects:
    description:
      - Folders with a C(package.json) and a C(package-lock.json) or C(npm-shrinkwrap.json); absolute paths.
      - A workspace has no lockfile of its own; name the folder above that has it.
    type: list
    elements: path
    required: true
  level:
    description: A vulnerability of this severity or a worse one is V(warning). Milder ones are counted and listed.
    type: str
    choices: [info, low, moderate, high, critical]
    default: high
  critical_level:
    description:
      - A vulnerability of this severity or a worse one is V(critical). It must not be milder than O(level).
      - With V(none) no vulnerability is more than a warning.
    type: str
    choices: [info, low, moderate, high, critical, none]
    default: critical
  omit:
    description: Kinds of dependencies that are left out, such as V(dev) where they are not installed.
    type: list
    elements: str
    choices: [dev, optional, peer]
    default: []
  ignore:
    description:
      - Vulnerabilities that do not count, each with its reason and its end. They stay in RV(projects[].ignored).
      - One that has expired counts again. One that has expired, and one that nothing needs, is a V(warning).
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The advisory, as C(GHSA-xxxx-xxxx-xxxx) or as the number that npm calls its source.
        type: str
        required: true
      path:
        description:
          - The folder of a project, or the place of a package in it as RV(projects[].vulnerabilities[].paths) has it,
            such as C(/opt/app/node_modules/lodash); absolute, wildcards allowed. Everywhere when not given.
          - A vulnerability in several places is ignored when each of them is covered.
        type: str
      reason:
        description: Why it is no danger here.
        type: str
        required: true
      expires:
        description: Its end, as the last day (C(2027-01-31), UTC) or as a time (C(2027-01-31T12:00:00Z)).
        type: str
        required: true
  registry:
    description:
      - URL of the registry that is asked, without a password. By default that of O(config_file), and without one that of
        npm itself.
      - A project's own C(.npmrc) never decides.
    type: str
  config_file:
    description:
      - An C(npmrc) on the host with what a private registry or a proxy needs. Its tokens stay in it.
      - By default npm reads the C(~/.npmrc) of the user who runs the task and C(/etc/npmrc); with this option neither.
    type: path
  executable:
    description: The npm to use, a name or a path. It is searched for in C(PATH) and C(/usr/local/bin).
    type: str
    default: npm
  timeout_seconds:
    description:
      - Time for the whole call, all projects and attempts together, V(1) to V(900), in seconds. A project that is not
        audited until then is V(unknown).
      - An attempt gets an equal share of what is left for the attempts of its project, and at least 5 seconds of it.
    type: int
    default: 90
  retries:
    description:
      - How often to try again when npm got no answer, V(0) to V(10), after pauses of 1, 2, 4 seconds and so on up to 10.
      - What a registry refuses on principle, such as with 404 or 405, is not tried again.
    type: int
    default: 2
  concurrency:
    description: How many projects are audited at once, V(1) to V(16). Each takes about 100 MiB of memory.
    type: int
    default: 3
seealso:
  - plugin: upkeep.runbook.dependency_projects
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Audit two projects
  upkeep.runbook.npm_audit:
    projects:
      - /opt/neurosensefx
      - /opt/neurosensefx/services/tick-backend

- name: Audit what is installed in production, and live with one vulnerability for a while
  upkeep.runbook.npm_audit:
    projects: [/opt/neurosensefx]
    omit: [dev]
    ignore:
      - id: GHSA-35jh-r3h4-6jhm
        path: /opt/neurosensefx
        reason: The template function is not used.
        expires: "2027-01-31"

- name: Ask a registry of the company, with the token that lies on the host
  upkeep.runbook.npm_audit:
    projects: [/opt/neurosensefx]
    config_file: /etc/upkeep/npmrc
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  type: str
  returned: success
  sample: warning
checks:
  description:
    - One check result C(dependency.audit) for each project, and one C(dependency.ignore) for each of O(ignore).
    - The ok ones of a kind share one row unless O(return_all=true).
  type: list
  elements: dict
  returned: success
  sample:
    - check: dependency.audit
      subject: /opt/neurosensefx
      status: warning
      summary: >-
        /opt/neurosensefx has 1 known vulnerability: 1 high (warning from high, critical from critical); 1 can be mended.
        Worst: lodash, Command Injection in lodash.
      value: high
      unit: severity
      warning: high
      critical: critical
      hint: "See what to update: cd /opt/neurosensefx && npm audit --package-lock-only"
projects:
  description: The projects that are not ok, or all of them with O(return_all=true).
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: Its folder.
      type: str
    manager:
      description: Who manages its dependencies, V(npm), V(yarn), V(pnpm) or V(bun); null when nobody knows.
      type: str
    status:
      description: The status of its check.
      type: str
    audit_available:
      description: Whether there is a report. When not, nothing is known about vulnerabilities.
      type: bool
    reason:
      description: Why there is none, or null.
      type: str
    lockfile:
      description: Name of the lockfile, or null.
      type: str
    lockfile_version:
      description: Its version, V(1), V(2) or V(3), or null.
      type: int
    dependencies:
      description: How many packages of a registry the lockfile names, without those of O(omit); null when unknown.
      type: int
    not_locked:
      description: Packages that C(package.json) wants and the lockfile lacks, or has without a version. They were not audited.
      type: list
      elements: str
    attempts:
      description: How often npm was asked until it had its answer; 0 when it had none.
      type: int
    totals:
      description: How many vulnerabilities there are of each severity and in all, without the ignored ones; or null.
      type: dict
    vulnerabilities:
      description: The vulnerabilities that count, worst first; at most 100.
      type: list
      elements: dict
      contains:
        id:
          description: The advisory, C(GHSA-…), or its number when it has no such name.
          type: str
        source:
          description: Its number at npm, or null.
          type: int
        package:
          description: The vulnerable package.
          type: str
        severity:
          description: V(info), V(low), V(moderate), V(high), V(critical), or V(unknown), which counts as the worst.
          type: str
        title:
          description: What is wrong with it.
          type: str
        url:
          description: Where to read more.
          type: str
        range:
          description: The vulnerable versions.
          type: str
        direct:
          description: Whether the project itself depends on the package.
          type: bool
        paths:
          description: Where it lies, C(node_modules/a/node_modules/b), or C(a>b) with npm 6; at most 20.
          type: list
          elements: str
        affects:
          description: Packages that are vulnerable because of it (of the project itself, with npm 6); at most 20.
          type: list
          elements: str
        fix_available:
          description: Whether it can be mended; null when npm does not say.
          type: bool
        fix:
          description: With what, or null.
          type: str
    ignored:
      description: The ignored ones, with C(reason) and C(expires) besides; at most 100.
      type: list
      elements: dict
totals:
  description:
    - C(projects), C(audited), C(dependencies), C(ignored), and C(vulnerabilities) by severity, of all projects together.
  type: dict
  returned: success
  sample:
    projects: 3
    audited: 3
    dependencies: 214
    vulnerabilities: {critical: 0, high: 1, moderate: 0, low: 0, info: 0, total: 1}
    ignored: 0
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.auditing import inspect_projects
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.client import KINDS
from ansible_collections.upkeep.runbook.plugins.module_utils.npm.reports import SEVERITIES
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.discretion import discreet
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    ignore = {
        "id": {"type": "str", "required": True},
        "path": {"type": "str"},
        "reason": {"type": "str", "required": True},
        "expires": {"type": "str", "required": True},
    }
    return {
        "projects": {"type": "list", "elements": "path", "required": True},
        "level": {"type": "str", "choices": list(SEVERITIES), "default": "high"},
        "critical_level": {"type": "str", "choices": [*SEVERITIES, "none"], "default": "critical"},
        "omit": {"type": "list", "elements": "str", "choices": list(KINDS), "default": []},
        "ignore": {"type": "list", "elements": "dict", "options": ignore, "default": []},
        "registry": {"type": "str"},
        "config_file": {"type": "path"},
        "executable": {"type": "str", "default": "npm"},
        "timeout_seconds": {"type": "int", "default": 90},
        "retries": {"type": "int", "default": 2},
        "concurrency": {"type": "int", "default": 3},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    options = module.params
    module.params = discreet(options)  # Ansible shows these with the result
    try:
        result = inspect_projects(options, now=utc_now(), scratch=module.tmpdir)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
