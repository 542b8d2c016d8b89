#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keep the digests of the baselines of a host on the report host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: baseline_digests
version_added: 0.1.0
short_description: Keep the digests of a host's baselines where nobody of that host can reach them
description:
  - Whoever becomes root on a host can write another baseline there. Delegated to the report host, this module keeps the digests of the
    baselines that M(upkeep.runbook.port_baseline), M(upkeep.runbook.file_integrity) and M(upkeep.runbook.access_review) have accepted,
    with when, why and by which run.
  - An acceptance is noted with O(phase=begun) before a baseline is exchanged, and ends with O(phase=accepted). When it is killed in between,
    RV(expected) leaves the baseline out, since nobody knows which one is there.
  - The record is bookkeeping. Writing it never counts as a change.
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
      - The record is bookkeeping.
  idempotent:
    support: full
options:
  directory:
    description: Absolute directory of the reports. The record is the file C(baselines/<platform>/<host>.json) in it, of mode 0600.
    type: path
    required: true
  platform:
    description: Name of the platform.
    type: str
    required: true
  host:
    description: Name of the host whose baselines they are.
    type: str
    required: true
  phase:
    description: V(read) only reads. V(begun) before the first baseline is exchanged, V(accepted) when all were.
    type: str
    choices: [read, begun, accepted]
    default: read
  parts:
    description: With O(phase=begun), which baselines are about to be exchanged, of V(ports), V(files) and V(access).
    type: list
    elements: str
    default: []
  digests:
    description: With O(phase=accepted), the SHA-256 of each baseline by its part.
    type: dict
    default: {}
  unanswered:
    description: With O(phase=accepted), parts of which nobody knows whether their baseline was exchanged.
    type: list
    elements: str
    default: []
  run_id:
    description: Id of the run, C(YYYYMMDDTHHMMSSZ-) and eight hexadecimal digits. Required unless O(phase=read).
    type: str
    default: ""
  reason:
    description: Why what is there is accepted. Required unless O(phase=read).
    type: str
    default: ""
  lock_wait_seconds:
    description: How long to wait for another run that keeps digests, in seconds.
    type: float
    default: 30.0
seealso:
  - module: upkeep.runbook.port_baseline
  - module: upkeep.runbook.file_integrity
  - module: upkeep.runbook.access_review
"""

EXAMPLES = r"""
- name: Read what the baselines of a host must be
  upkeep.runbook.baseline_digests:
    directory: /var/lib/reports
    platform: NeuroSense FX
    host: "{{ inventory_hostname }}"
  delegate_to: reports
  register: kept

- name: Compare the listeners
  upkeep.runbook.port_baseline:
    expected_digest: "{{ kept.expected.ports | default(omit) }}"
"""

RETURN = r"""
path:
  description: The file of the record.
  returned: always
  type: str
  sample: /var/lib/reports/baselines/neurosense_fx_1a2b3c4d/backend.json
expected:
  description: By part the digest that the baseline must have. With O(phase=begun) as it was before that.
  returned: always
  type: dict
  sample: {ports: ef73fd133094ce20009b7654e2b7509f4e93c8797bc99e8bfd5807df388b0ba5}
record:
  description: C(digests) by part, C(pending) acceptances whose end nobody saw by part, and C(history), the last 200 acceptances, the oldest first.
  returned: always
  type: dict
  sample:
    digests:
      ports:
        sha256: ef73fd133094ce20009b7654e2b7509f4e93c8797bc99e8bfd5807df388b0ba5
        run_id: 20261122T050000Z-1a2b3c4d
        time: "2026-11-22T05:00:03Z"
        reason: Release 2.4.1
    pending: {}
    history:
      - run_id: 20261122T050000Z-1a2b3c4d
        time: "2026-11-22T05:00:03Z"
        reason: Release 2.4.1
        digests: {ports: ef73fd133094ce20009b7654e2b7509f4e93c8797bc99e8bfd5807df388b0ba5}
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import remove_leftovers
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.kept_digests.files import (
    LOCK,
    make_folders,
    read_record,
    record_path,
    write_record,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.kept_digests.record import accepted, begun, expected
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    names = {"type": "list", "elements": "str", "default": []}
    return {
        "directory": {"type": "path", "required": True},
        "platform": {"type": "str", "required": True},
        "host": {"type": "str", "required": True},
        "phase": {"type": "str", "choices": ["read", "begun", "accepted"], "default": "read"},
        "parts": names,
        "digests": {"type": "dict", "default": {}},
        "unanswered": names,
        "run_id": {"type": "str", "default": ""},
        "reason": {"type": "str", "default": ""},
        "lock_wait_seconds": {"type": "float", "default": 30.0},
    }


def keep(params: dict[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Read the record, and write it when a phase changes it.

    :raises UpkeepError: when an option is wrong, or the record cannot be read or written.
    """
    if not Path(params["directory"]).is_absolute():
        raise UpkeepError(f"directory is {params['directory']!r}; it must be absolute")
    path, now = record_path(Path(params["directory"]), params["platform"], params["host"]), utc_now()
    about = {"run_id": params["run_id"], "reason": params["reason"], "now": now}
    write = params["phase"] != "read" and not check_mode
    with ExitStack() as stack:
        if write:
            make_folders(path)
            owner = LockOwner(params["run_id"], "baseline_digests", to_iso(now))
            stack.enter_context(exclusive_lock(path.parent / LOCK, owner, wait_seconds=params["lock_wait_seconds"]))
            remove_leftovers(path.parent, now=now.timestamp())
        before = after = read_record(path, params["platform"], params["host"])
        if params["phase"] == "begun":
            after = begun(before, params["parts"], **about)
        elif params["phase"] == "accepted":
            digests = {part: str(digest) for part, digest in params["digests"].items()}
            after = accepted(before, digests, params["unanswered"], **about)
        if write and after != before:
            write_record(path, after, params["platform"], params["host"])
    wanted = after if params["phase"] == "accepted" else before
    return {"path": str(path), "expected": expected(wanted), "record": after}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        answer = keep(module.params, check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
