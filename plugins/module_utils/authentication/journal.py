# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the journal of systemd holds about logins, with the fields that the kernel vouches for.

Whoever may log can log in the name of sshd. In the journal such an entry carries the user id and program of its real
writer, so it is counted apart and never believed.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.messages import (
    LOGIN,
    PROGRAMS,
    SSH,
    SU,
    SUDO,
    read_message,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.syslog_lines import Line, in_calendar
from ansible_collections.upkeep.runbook.plugins.module_utils.command_lines import LineResult, run_lines
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

PROGRAM = "journalctl"
#: An entry holds about 500 bytes of these fields.
_FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_UID,_EXE,_TRANSPORT"
_MAX_ENTRY_BYTES = 128 * 1024
_HIDDEN = "not seeing messages from other users"
_NO_FILES = ("No journal files were found", "No journal files were opened")
#: These run with the user id of whoever calls them, so the program itself must be the right one.
_BY_ANYBODY = {"sudo": ("sudo", "sudo-rs"), "su": ("su", "su-rs", "coreutils")}


class NoJournal(Exception):
    """The journal cannot be read; the message is a part of a sentence.

    :ivar hint: how to mend it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass
class JournalFigures:
    """What was read. :ivar forged: entries about logins by a program that may write none. :ivar cut: not everything was read."""

    entries: int = 0
    unparsed: int = 0
    forged: int = 0
    first: float | None = None
    cut: bool = False


def journal_arguments(since: float, until: float) -> list[str]:
    """Return the question for the messages of a window; times in seconds since 1970."""
    identifiers = [f"SYSLOG_IDENTIFIER={program}" for program in PROGRAMS]
    return [
        PROGRAM, "--output=json", f"--output-fields={_FIELDS}", "--no-pager", f"--since=@{int(since)}", f"--until=@{int(until) + 1}",
        "SYSLOG_FACILITY=4", "SYSLOG_FACILITY=10", "+", *identifiers,
    ]


def read_journal(
    take: Callable[[Line], None], *, since: float, until: float, timeout_seconds: float, max_bytes: int
) -> JournalFigures:
    """Hand over each entry in the order of time, and return figures.

    :raises NoJournal: when there is none, this user may not read it, or it takes too long.
    """
    figures = JournalFigures()

    def entry(line: bytes) -> None:
        found = read_entry(line, figures)
        if found:
            take(found)

    result = run_lines(
        journal_arguments(since, until), entry, timeout_seconds=timeout_seconds, max_bytes=max_bytes, max_line_bytes=_MAX_ENTRY_BYTES
    )
    figures.unparsed += result.overlong
    figures.cut = result.cut
    _refuse(result, figures, timeout_seconds)
    return figures


def _refuse(result: LineResult, figures: JournalFigures, timeout_seconds: float) -> None:
    become = "Run the task with become: true, or put its user into the group systemd-journal."
    if result.problem:
        raise NoJournal(f"journalctl cannot be run ({plain(result.problem, 200)})")
    if result.timed_out:
        raise NoJournal(
            f"journalctl did not end within {timeout_seconds:g} seconds", "Give it more time (timeout_seconds) or a shorter window."
        )
    if any(text in result.stderr for text in _NO_FILES):
        denied = "permission" in result.stderr.lower()
        raise NoJournal("this user may not read the journal" if denied else "there is no journal on this host", become if denied else "")
    if _HIDDEN in result.stderr:
        raise NoJournal("this user sees only its own messages in the journal", become)
    if result.returncode != 0 and not result.cut and not (result.returncode == 1 and not result.stderr and not figures.entries):
        said = plain(result.stderr, 200) or f"exit status {result.returncode}"
        raise NoJournal(f"journalctl failed ({said})", become if "ermission" in said else "")


def read_entry(line: bytes, figures: JournalFigures) -> Line | None:
    """Return what one line of ``journalctl --output=json`` holds; None when it is unusable, empty or forged."""
    if not line.strip() or line.startswith(b"-- "):
        return None
    figures.entries += 1
    try:
        fields = json.loads(line)
        at = in_calendar(int(fields["__REALTIME_TIMESTAMP"]) / 1e6)
        program, text = _text(fields.get("SYSLOG_IDENTIFIER")), _text(fields.get("MESSAGE"))
        process = int(_text(fields.get("_PID")) or _text(fields.get("SYSLOG_PID")) or 0)
        genuine = is_genuine(program, fields)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        figures.unparsed += 1
        return None
    if not genuine:
        # sshd ends a session with the rights of its user, and what it says then is nothing about a login.
        sign = read_message(program, text)
        figures.forged += sign is not None and sign.service in (SSH, SUDO, SU, LOGIN)
        return None
    figures.first = at if figures.first is None else figures.first
    return Line(at, program, process, text)


def is_genuine(program: str, fields: dict[str, Any]) -> bool:
    """Tell whether the kernel's facts about the writer fit the name under which it wrote."""
    if program in _BY_ANYBODY:
        executable = posixpath.basename(_text(fields.get("_EXE")).replace(" (deleted)", ""))
        return executable in ("", *_BY_ANYBODY[program])
    return _text(fields.get("_UID")) in ("", "0")


def _text(value: Any) -> str:
    """Return the text of a field, which is a list of bytes when it is no UTF-8, and a list of values when it came twice."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, int) and 0 <= item < 256 for item in value):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, list) and value:
        return _text(value[0])
    raise ValueError("no text")
