#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hold a host for one procedure, or give it back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lease
version_added: 0.1.0
short_description: Keep other procedures away from a host while one works on it
description:
  - A procedure of several tasks takes a lease before its first change and gives it back after its last one. A second procedure that
    asks meanwhile is refused and told who works on the host, and until when.
  - A lease ends by itself after O(ttl_seconds) and with a reboot of the host, so a run that was killed blocks nobody for long. The
    procedure that takes over such a lease returns a warning, since the other one did not end well.
  - A lease is bookkeeping. Taking it and giving it back never count as a change.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - Refuses in check mode as it would otherwise, and writes nothing.
  diff_mode:
    support: N/A
    details:
      - A lease is bookkeeping.
  idempotent:
    support: full
    details:
      - The run that holds the lease and asks for it again gets it again, with a new end.
options:
  state:
    description:
      - V(held) takes the lease, or renews it for the run that holds it.
      - V(released) gives it back. The lease of another run is never touched.
    type: str
    choices: [held, released]
    default: held
  directory:
    description: State directory of the host. It is created with mode 0700 when it does not exist.
    type: path
    default: /var/lib/upkeep
  run_id:
    description: The id of this run, C(YYYYMMDDTHHMMSSZ-) and eight hexadecimal digits. All hosts of a run share it.
    type: str
    required: true
  playbook:
    description: The name of the procedure. It is what a second procedure is told.
    type: str
    required: true
  ttl_seconds:
    description:
      - For how long the lease is good when nobody renews it. Each module of the run that acts under the lock of the host renews it when
        it ends, so that it need last only for the longest time between two of them.
    type: int
    default: 3600
  take_over:
    description:
      - The id of a run that is known to be dead. When it holds the lease, this run takes it over at once. The lease of any other run
        still counts.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Work on the host alone
  ignore_errors: false
  block:
    - name: Keep other procedures away
      upkeep.runbook.lease:
        run_id: "{{ platform_run_id }}"
        playbook: backup
        ttl_seconds: 7200

    # ... what the procedure does ...

  always:
    - name: Let other procedures in again
      upkeep.runbook.lease:
        state: released
        run_id: "{{ platform_run_id }}"
        playbook: backup
"""

RETURN = r"""
lease:
  description: The lease as it stands; empty when this run holds none.
  returned: always
  type: dict
  sample:
    run_id: 20261122T050000Z-1a2b3c4d
    playbook: backup
    boot_id: 3f1c2a0e-7d5b-4b7e-9a53-0f5f3c1b2d4e
    taken: "2026-11-22T05:00:03Z"
    expires: "2026-11-22T07:00:03Z"
  contains:
    run_id:
      description: Id of the run that holds it.
      type: str
      returned: when held
    playbook:
      description: Name of the procedure.
      type: str
      returned: when held
    boot_id:
      description: The kernel's id of the boot in which it was taken.
      type: str
      returned: when held
    taken:
      description: When this run first took it, ISO 8601 UTC.
      type: str
      returned: when held
    expires:
      description: When it ends by itself, ISO 8601 UTC.
      type: str
      returned: when held
    ttl_seconds:
      description: As O(ttl_seconds).
      type: int
      returned: when held
taken_over:
  description:
    - The lease of another run that had expired, or was named by O(take_over), and was replaced, with the same keys; empty when there was
      none.
  returned: always
  type: dict
  sample: {}
status:
  description: The worst status of RV(checks).
  returned: always
  type: str
  sample: ok
checks:
  description: One check result, C(host.lease). It is a warning when another run's lease had to be taken over, or was lost to another run.
  returned: always
  type: list
  elements: dict
  sample:
    - check: host.lease
      subject: /var/lib/upkeep/lease.json
      status: ok
      summary: This run has the host to itself until 2026-11-22T07:00:03Z.
      value: null
      unit: null
      warning: null
      critical: null
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.lease_checks import check_held, check_released
from ansible_collections.upkeep.runbook.plugins.module_utils.lease_file import LEASE_FILE, read_lease
from ansible_collections.upkeep.runbook.plugins.module_utils.leases import (
    read_boot_id,
    release_lease,
    take_lease,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import run_started, to_iso, utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options as data."""
    return {
        "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
        "directory": {"type": "path", "default": "/var/lib/upkeep"},
        "run_id": {"type": "str", "required": True},
        "playbook": {"type": "str", "required": True},
        "ttl_seconds": {"type": "int", "default": 3600},
        "take_over": {"type": "str", "default": ""},
    }


def read_owner(params: dict[str, Any]) -> LockOwner:
    """Return who asks.

    :raises UpkeepError: when the options cannot name a run.
    """
    if params["ttl_seconds"] < 1:
        raise UpkeepError(f"ttl_seconds is {params['ttl_seconds']}; a lease lasts at least 1 second")
    try:
        return LockOwner(params["run_id"], params["playbook"], to_iso(run_started(params["run_id"])))
    except ValueError as exc:
        raise UpkeepError(f"run_id: {exc}") from exc


def hold(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Take or renew the lease; return what the module returns."""
    lease = take_lease(
        Path(params["directory"]),
        read_owner(params),
        ttl_seconds=params["ttl_seconds"],
        now=utc_now(),
        boot_id=read_boot_id(),
        take_over=params["take_over"],
        check_mode=check_mode,
    )
    check = check_held(Path(params["directory"]) / LEASE_FILE, lease)
    return {"lease": lease.content, "taken_over": lease.taken_over or {}, "checks": [check]}


def release(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Give the lease back; return what the module returns."""
    directory = Path(params["directory"])
    released = release_lease(directory, read_owner(params), check_mode=check_mode)
    other = None if released else read_lease(directory)
    return {"lease": {}, "taken_over": {}, "checks": [check_released(directory / LEASE_FILE, other)]}


def main() -> None:
    """Wire the options to the lease file."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    work = hold if module.params["state"] == "held" else release
    try:
        result = work(module.params, check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, status=worst_of(result["checks"]), **result)


if __name__ == "__main__":
    main()
