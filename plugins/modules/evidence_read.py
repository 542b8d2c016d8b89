#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The side of evidence_collect that runs on the suspect host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_read
version_added: 0.1.0
short_description: Read a page of evidence on a host, for evidence_collect
description:
  - M(upkeep.runbook.evidence_collect) calls this module again and again, and keeps what it answers. You hardly want to call it yourself.
  - Reads and writes nothing. Files are opened without touching the time of their last access where the kernel allows that (own files,
    or root). Pipes, devices and sockets are never opened.
  - Each answer has at most about O(chunk_bytes) of contents, compressed and in base64, with their SHA-256.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - The answer is the same in check mode.
  diff_mode:
    support: N/A
    details:
      - The module changes nothing.
  idempotent:
    support: full
options:
  ask:
    description:
      - V(clock) is the time as the host has it.
      - V(processes) are lines of JSON. V(state) are the sources of O(item). V(journal) are its entries from O(since) to O(until). V(metadata)
        are lines of a body file for all that is below O(paths). Each goes on after O(cursor).
      - V(list) names the files that O(paths) mean, and what is left out of them. V(read) returns the pieces O(reads).
    type: str
    choices: [clock, processes, state, journal, list, read, metadata]
    required: true
  item:
    description: What of the state is wanted.
    type: str
    choices: [network, sessions, modules, mounts]
    default: network
  cursor:
    description: The RV(cursor) of the page before; empty for the first one.
    type: str
    default: ""
  since:
    description: Begin of the journal, seconds since 1970.
    type: float
  until:
    description: End of the journal, seconds since 1970.
    type: float
  paths:
    description: Absolute paths of files and folders, with wildcards for O(ask=list).
    type: list
    elements: str
    default: []
  exclude:
    description: Patterns of paths that are left out.
    type: list
    elements: str
    default: []
  reads:
    description: Pieces of files, at most 1000.
    type: list
    elements: dict
    default: []
    suboptions:
      raw:
        description: The absolute path in base64.
        type: str
        required: true
      offset:
        description: Where to begin, in bytes.
        type: int
        default: 0
      length:
        description: How much to read, in bytes.
        type: int
        required: true
      content:
        description: Whether the contents are wanted, or only their SHA-256.
        type: bool
        default: true
  chunk_bytes:
    description: About so much is in an answer, V(4096) to V(16777216) bytes.
    type: int
    default: 2097152
  max_files:
    description: So many files are listed, V(0) to V(100000).
    type: int
    default: 10000
  max_file_bytes:
    description: Larger files are left out of the list, in bytes.
    type: int
    default: 268435456
  secrets:
    description: Whether files are listed and read whose contents are secrets, such as private keys.
    type: bool
    default: false
seealso:
  - module: upkeep.runbook.evidence_collect
"""

EXAMPLES = r"""
- name: See what would be taken of a folder
  upkeep.runbook.evidence_read:
    ask: list
    paths: [/opt/neurosensefx]
    exclude: ["*/node_modules/*"]
"""

RETURN = r"""
clock:
  description: C(time), C(zone), C(utc_offset_seconds), C(boot_id), C(uptime_seconds) and C(synchronized) of the host.
  returned: for O(ask=clock)
  type: dict
pieces:
  description: C(name) of a file, the C(source) of what is next in it, C(bytes), C(sha256) and C(data), zlib in base64.
  returned: for O(ask=processes), O(ask=state), O(ask=journal) and O(ask=metadata)
  type: list
  elements: dict
cursor:
  description: What to go on after; null at the end.
  returned: with C(pieces)
  type: str
files:
  description: C(path), C(raw) (in base64), C(status) and C(content), whether that is taken, of each file.
  returned: for O(ask=list)
  type: list
  elements: dict
reads:
  description: For each of O(reads) C(bytes), C(sha256), C(status), C(changed) and C(data); or C(left_out).
  returned: for O(ask=read)
  type: list
  elements: dict
left_out:
  description: What is not taken, with C(path), C(kind) and C(reason).
  returned: for all but O(ask=clock) and O(ask=read)
  type: list
  elements: dict
more_left_out:
  description: How much more is not taken.
  returned: for O(ask=list) and O(ask=metadata)
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.answering import answer_question


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    read = {
        "raw": {"type": "str", "required": True},
        "offset": {"type": "int", "default": 0},
        "length": {"type": "int", "required": True},
        "content": {"type": "bool", "default": True},
    }
    return {
        "ask": {
            "type": "str", "required": True, "choices": ["clock", "processes", "state", "journal", "list", "read", "metadata"],
        },
        "item": {"type": "str", "choices": ["network", "sessions", "modules", "mounts"], "default": "network"},
        "cursor": {"type": "str", "default": ""},
        "since": {"type": "float"},
        "until": {"type": "float"},
        "paths": {"type": "list", "elements": "str", "default": []},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "reads": {"type": "list", "elements": "dict", "options": read, "default": []},
        "chunk_bytes": {"type": "int", "default": 2097152},
        "max_files": {"type": "int", "default": 10000},
        "max_file_bytes": {"type": "int", "default": 268435456},
        "secrets": {"type": "bool", "default": False, "no_log": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        answer = answer_question(module.params)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
