# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs of the host that are asked for its configuration: where they are, and why one gave no answer."""

from __future__ import annotations

import os
import shutil

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

AS_ROOT = "Run the task with become: true."


def find_program(name: str) -> str | None:
    """Return the path of a program, also where only root looks for programs."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin")


def failure_of(done: CommandResult) -> str:
    """Return why a command gave no usable answer; completes "… could not be asked: …"."""
    if done.problem:
        return plain(done.problem, 200)
    if done.timed_out:
        return "it did not answer in time"
    if done.truncated:
        return "it answered more than is read"
    words = done.stderr.strip() or done.stdout.strip()
    return plain(words.rstrip("."), 300) or f"exit status {done.returncode}"
