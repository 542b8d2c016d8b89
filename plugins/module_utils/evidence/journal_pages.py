# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal as lines of JSON, page by page: journalctl is stopped when a page is full, and asked to go on after its last entry."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time

from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.reading import LeftOut
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

PAGE_SECONDS = 120.0
#: An entry that is longer is passed over, and said.
MAX_ENTRY_BYTES = 16 * 1024 * 1024

_CURSOR = re.compile(rb'"__CURSOR"\s*:\s*"([^"]{1,500})"')
_HEAD_BYTES = 64 * 1024


def journal_arguments(since: float, until: float, after: str) -> list[str]:
    """Return the arguments for the entries of a time, in seconds since 1970."""
    begin = [f"--after-cursor={after}"] if after else [f"--since=@{int(since)}"]
    return ["--output=json", "--all", "--no-pager", "--quiet", f"--until=@{int(until)}", *begin]


def journal_page(since: float, until: float, after: str, most_bytes: int) -> tuple[bytes, str | None, int]:
    """Return whole lines, the cursor of the last one, None at the end, and how many entries were passed over as too long.

    :raises LeftOut: when journalctl is not there, or fails.
    """
    program = shutil.which("journalctl")
    if program is None:
        raise LeftOut("absent", "is not there: journalctl is not installed")
    argv = [program, *journal_arguments(since, until, after)]
    # run_command() waits for the end of what it runs, and a journal may have gigabytes.
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env={**os.environ, "LC_ALL": "C"}
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            data, ended = _read(process.stdout.fileno(), most_bytes)
        finally:
            if process.poll() is None:
                process.kill()
        said = process.stderr.read(4096)
    if not ended and b"\n" not in data:
        match = _CURSOR.search(data[:_HEAD_BYTES])
        if not match or len(data) < MAX_ENTRY_BYTES:
            raise LeftOut("failed", "did not come to the end of an entry in time")
        return b"", match[1].decode("ascii", "replace"), 1
    if ended and not data and said.strip() and not said.startswith(b"No entries"):
        raise LeftOut("failed", f"could not be read: {plain(decode(said), 200)}")
    whole = data if ended else data[: data.rindex(b"\n") + 1]
    return whole, None if ended else _last_cursor(whole), 0


def _read(descriptor: int, most_bytes: int) -> tuple[bytes, bool]:
    """Return at least so many bytes and the end of a line, or less at the end of the output; and whether that was the end."""
    data, deadline = bytearray(), time.monotonic() + PAGE_SECONDS
    while True:
        if not select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))[0]:
            return bytes(data), False
        part = os.read(descriptor, min(most_bytes, 256 * 1024))
        if not part:
            return bytes(data), True
        data += part
        if len(data) >= most_bytes and (b"\n" in part or b"\n" in data) or len(data) >= max(MAX_ENTRY_BYTES, most_bytes):
            return bytes(data), False


def _last_cursor(lines: bytes) -> str:
    found = _CURSOR.search(lines[lines.rstrip(b"\n").rfind(b"\n") + 1 :])
    if not found:
        raise LeftOut("failed", "has an entry without a cursor, so that nobody can go on after it")
    return found[1].decode("ascii", "replace")
