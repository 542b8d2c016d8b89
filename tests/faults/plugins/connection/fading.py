# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A connection to this machine that is lost, or whose other end is killed, while a certain module runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fading
short_description: The connection local, with faults
description: For tests. Needs pipelining, since it knows a module by what is sent to Python.
author: upkeep.runbook contributors
options:
  lost_during:
    description: The connection is lost when one of these modules is to run. Later modules find the host again.
    type: list
    elements: str
    default: []
    vars:
      - name: fading_lost_during
  killed_during:
    description: These modules are killed before they can answer, as the kernel does for want of memory.
    type: list
    elements: str
    default: []
    vars:
      - name: fading_killed_during
  lost_while_table:
    description: No connection is made while the kernel has this nftables table.
    type: str
    vars:
      - name: fading_lost_while_table
  inside:
    description: The host is this network namespace of this machine.
    type: str
    vars:
      - name: fading_inside
"""

import subprocess

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as LocalConnection

_KILLED = 137


class Connection(LocalConnection):
    """Runs here what it is told to run, most of the time."""

    transport = "fading"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command, unless it is a module that the host shall not survive."""
        if self._runs_one_of("lost_during", in_data) or self._is_shut_out():
            raise AnsibleConnectionFailure("the test has cut the line")
        if self._runs_one_of("killed_during", in_data):
            return _KILLED, b"", b"Killed\n"
        inside = self.get_option("inside")
        if inside:
            cmd = f"ip netns exec {inside} {cmd}"
        answer: tuple[int, bytes, bytes] = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return answer

    def _runs_one_of(self, option: str, in_data: bytes | None) -> bool:
        return any(f"modules.{module}".encode() in (in_data or b"") for module in self.get_option(option))

    def _is_shut_out(self) -> bool:
        table = self.get_option("lost_while_table")
        return bool(table) and subprocess.run(["nft", "list", "table", "inet", table], check=False, capture_output=True).returncode == 0
