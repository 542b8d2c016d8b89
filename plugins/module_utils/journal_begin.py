# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far back the journal of systemd reaches: the time of its oldest entry, and nothing else of it."""

from __future__ import annotations

import json

from ansible_collections.upkeep.runbook.plugins.module_utils.command_lines import run_lines

PROGRAM = "journalctl"
_MAX_ENTRY_BYTES = 128 * 1024


def journal_begins(timeout_seconds: float, *options: str) -> float | None:
    """Return when the oldest entry was written, in seconds since 1970; None when nobody knows.

    :param options: further ones of journalctl, such as ``--system``, which leaves out the journals of users.
    """

    def first(line: bytes) -> None:
        raise _First(line)

    argv = [PROGRAM, "--output=json", "--output-fields=PRIORITY", "--no-pager", "--quiet", *options]
    try:
        run_lines(argv, first, timeout_seconds=timeout_seconds, max_bytes=_MAX_ENTRY_BYTES, max_line_bytes=_MAX_ENTRY_BYTES)
    except _First as found:
        try:
            return int(json.loads(found.line)["__REALTIME_TIMESTAMP"]) / 1e6
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
    return None


class _First(Exception):
    """Ends the reading after one line."""

    def __init__(self, line: bytes) -> None:
        super().__init__()
        self.line = line
