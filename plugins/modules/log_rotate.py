#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rotate logs while their writers write."""

from __future__ import annotations

DOCUMENTATION = r"""
module: log_rotate
version_added: 0.1.0
short_description: Rotate logs without losing a line while their writers write
description:
  - A log that is due is renamed, its writer is told to open it again, and only when no process has the old file open for
    writing any more it is packed, read back, and replaced by the packed copy. Nothing is lost when this module is killed at
    any point; its next run goes on from there.
  - An archive is called like its log, followed by C(-), the time in UTC, C(-) and eight hexadecimal digits, for example
    C(backend.log-20261122T051023Z-1a2b3c4d.gz). Files with other names are never touched.
  - A folder in which others than root and the owner of the log could exchange files is refused, and so are links, files with
    several names, pipes, sockets and directories. A refusal is a check that is V(warning), and nothing is touched. Work in
    a folder is done with the rights of its owner.
  - A signal is only sent to a process that handles it, since most signals end a process that does not.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.checks
attributes:
  check_mode:
    support: full
    details:
      - How well a log will be packed is not known before. With O(max_total_bytes) a run may remove more than check mode says.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - A log is due again after O(min_age_hours), or when it holds more than O(max_bytes). With O(min_age_hours=0) every run
        rotates.
options:
  paths:
    description:
      - The logs, as absolute paths. Wildcards are allowed; they match neither archives of this module, nor directories, nor
        files whose suffix says that they are packed.
      - A path or pattern that matches nothing is V(unknown).
    type: list
    elements: str
    default: []
  groups:
    description:
      - Groups of logs that differ in how they are rotated. What a group leaves out comes from the option of the same name of
        the module. A log that several groups name belongs to the first.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the group is called, for people.
        type: str
      paths:
        description: As O(paths).
        type: list
        elements: str
        required: true
      keep: &keep
        description: How many archives of each log are kept. V(0) keeps all.
        type: int
      max_age_days: &max_age_days
        description: Archives that are older go, in days since they were made. V(0) does not look at age.
        type: float
      max_total_bytes: &max_total_bytes
        description: What the archives of one log may hold together, in bytes; the oldest go first. V(0) sets no limit.
        type: int
      min_bytes: &min_bytes
        description: A log with fewer bytes is not due. An empty log never is.
        type: int
      max_bytes: &max_bytes
        description: A log with more bytes is due however young its newest archive is. V(0) sets no limit.
        type: int
      min_age_hours: &min_age_hours
        description:
          - A log whose newest archive is younger is not due, in hours. V(0) makes it due in every run.
        type: float
      compress: &compress
        description:
          - How archives are packed. V(zstd) needs the program of that name on the host.
        type: str
        choices: [gzip, zstd, none]
      method: &method
        description:
          - V(rename) loses nothing.
          - V(copytruncate) is for writers that cannot be told. The log is copied and made empty. What is written between the
            last look at its end and that moment is lost; the key C(bytes_at_risk) of RV(rotated) estimates how much it was.
        type: str
        choices: [rename, copytruncate]
      reopen: &reopen
        description:
          - How the writer is told that its log moved. Without it nobody is told, which is right for writers that look
            themselves. While a process goes on writing to an archive, the archive is not packed, which is a V(warning).
        type: dict
        suboptions:
          signal:
            description: Send this signal to the process that the pid file, the unit or the pattern names.
            type: str
            choices: [HUP, USR1, USR2, INT, TERM, WINCH]
          pid_file:
            description: File with the number of the process. One that is not root's may only name a process of its owner.
            type: path
          unit:
            description: Unit of systemd; its main process gets the signal.
            type: str
          process:
            description:
              - Regular expression for the command line. Of several processes those get the signal that write to the logs.
            type: str
          user:
            description: Only processes of this user, for O(groups[].reopen.process); or the user whose PM2 is told.
            type: str
          pm2:
            description: Tell PM2, which reopens the logs of all its applications (C(pm2 reloadLogs)).
            type: bool
          command:
            description: Run this program with these arguments, without a shell.
            type: list
            elements: str
          none:
            description: Tell nobody.
            type: bool
  keep:
    <<: *keep
    default: 30
  max_age_days:
    <<: *max_age_days
    default: 0.0
  max_total_bytes:
    <<: *max_total_bytes
    default: 0
  min_bytes:
    <<: *min_bytes
    default: 1
  max_bytes:
    <<: *max_bytes
    default: 0
  min_age_hours:
    <<: *min_age_hours
    default: 20.0
  compress:
    <<: *compress
    default: gzip
  method:
    <<: *method
    default: rename
  reopen: *reopen
  wait_seconds:
    description: How long to wait for writers to leave the old files, in seconds, for all logs together; V(0) to V(3600).
    type: float
    default: 10.0
  timeout_seconds:
    description: How long a command that tells a writer may take, V(0.1) to V(3600) seconds.
    type: float
    default: 30.0
  state_directory:
    description: Folder of the lock that keeps acting runs apart on a host. It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another acting run on this host, V(0) to V(86400) seconds.
    type: float
    default: 0.0
  run_id:
    description: Id of the run, which a second run is told while this one works.
    type: str
  check_logrotate:
    description: Whether to look for logs that the system's logrotate rotates too, in C(/etc/logrotate.conf) and what it includes.
    type: bool
    default: true
seealso:
  - module: upkeep.runbook.logrotate_status
"""

EXAMPLES = r"""
- name: Rotate the log of a service that opens it again on SIGUSR1
  upkeep.runbook.log_rotate:
    paths: [/opt/neurosensefx/logs/backend.log]
    keep: 30
    reopen:
      signal: USR1
      unit: tick-backend.service

- name: Rotate the logs of several services in one call
  upkeep.runbook.log_rotate:
    max_age_days: 30
    groups:
      - paths: [/opt/neurosensefx/logs/*.log]
        reopen: {signal: USR1, unit: tick-backend.service}
      - paths: [/home/app/.pm2/logs/*.log]
        reopen: {pm2: true, user: app}
      - paths: [/opt/legacy/out.log]
        method: copytruncate
        max_bytes: 104857600
"""

RETURN = r"""
rotated:
  description:
    - The logs that were rotated, or would be in check mode, at most 1000 unless O(return_all).
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The log.
      type: str
    archive:
      description: What it became.
      type: str
    bytes:
      description: What it held.
      type: int
    compressed_bytes:
      description: What the packed archive holds; null while it is not packed, and in check mode.
      type: int
    bytes_at_risk:
      description: Estimate of the bytes that were written while the log was truncated and are lost.
      type: int
      returned: with O(method=copytruncate)
  sample:
    - path: /opt/neurosensefx/logs/backend.log
      archive: /opt/neurosensefx/logs/backend.log-20261122T051023Z-1a2b3c4d.gz
      bytes: 12901744
      compressed_bytes: 1184260
completed:
  description: Archives of earlier runs that could only be packed now, with the same keys.
  returned: always
  type: list
  elements: dict
removed:
  description: Archives that were removed, or would be in check mode, with C(path), C(archive), C(bytes) and C(reason).
  returned: always
  type: list
  elements: dict
bytes_freed:
  description: Bytes that removing and packing freed; in check mode those of removing alone.
  returned: always
  type: int
  sample: 11717484
totals:
  description: How many logs there are (C(logs)), and were C(rotated), C(completed), C(removed), C(refused) and so on.
  returned: always
  type: dict
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description:
    - C(log.rotation) for each log. It is a warning when the log was refused or its writer has not left, and critical when it
      could not be rotated.
    - C(log.managed_twice) is a warning for each pattern of the system's logrotate that means one of the logs too.
  returned: always
  type: list
  elements: dict
  sample:
    - check: log.rotation
      subject: /opt/neurosensefx/logs/backend.log
      status: ok
      summary: /opt/neurosensefx/logs/backend.log was rotated (12.3 MiB, packed to 1.1 MiB).
      value: 12901744
      unit: bytes
      warning: null
      critical: null
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rotating import rotate_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import DEFAULTS, SIGNALS
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    reopen = {
        "signal": {"type": "str", "choices": list(SIGNALS)},
        "pid_file": {"type": "path"},
        "unit": {"type": "str"},
        "process": {"type": "str"},
        "user": {"type": "str"},
        "pm2": {"type": "bool"},
        "command": {"type": "list", "elements": "str"},
        "none": {"type": "bool"},
    }
    rules: dict[str, dict[str, Any]] = {
        "keep": {"type": "int"},
        "max_age_days": {"type": "float"},
        "max_total_bytes": {"type": "int"},
        "min_bytes": {"type": "int"},
        "max_bytes": {"type": "int"},
        "min_age_hours": {"type": "float"},
        "compress": {"type": "str", "choices": ["gzip", "zstd", "none"]},
        "method": {"type": "str", "choices": ["rename", "copytruncate"]},
    }
    group = {
        "name": {"type": "str"},
        "paths": {"type": "list", "elements": "str", "required": True},
        **rules,
        "reopen": {"type": "dict", "options": reopen},
    }
    return {
        "paths": {"type": "list", "elements": "str", "default": []},
        "groups": {"type": "list", "elements": "dict", "options": group, "default": []},
        **{name: {**option, "default": DEFAULTS[name]} for name, option in rules.items()},
        "reopen": {"type": "dict", "options": reopen},
        "wait_seconds": {"type": "float", "default": 10.0},
        "timeout_seconds": {"type": "float", "default": 30.0},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "lock_wait_seconds": {"type": "float", "default": 0.0},
        "run_id": {"type": "str"},
        "check_logrotate": {"type": "bool", "default": True},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = rotate_logs(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
