# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The system's journal: read through journalctl from where the last run ended, as blocks of lines with their levels."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.counting import without_decoration
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.levels import ERROR, FATAL, WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import BEGINNING, END, KERNEL, SYSTEMD, Journal
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.reach import kernel_may_be_silent
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

#: What one run reads at most; the next one goes on there.
MAX_BYTES = 1024 * 1024 * 1024
_MAX_ENTRY_BYTES = 1024 * 1024
_BATCH_BYTES = 512 * 1024
_ERROR_BYTES = 4096
_PROBE_SECONDS = 30.0
_END_SECONDS = 5.0
_MAX_CURSOR = 500
#: What journalctl says to a user who may read no more than its own.
_HIDDEN = "not seeing messages from other users"
_HINT = "Let the playbook become root on this host, or add the user to the group systemd-journal."
#: Fields that journald sets itself: a program may call itself kernel, and is not known by that.
_SOURCES = {KERNEL: "_TRANSPORT=kernel", SYSTEMD: "_PID=1"}
_LEVELS = {"0": FATAL, "1": FATAL, "2": FATAL, "3": ERROR, "4": WARNING}


@dataclass
class Batch:
    """Some entries.

    :ivar data: their messages as lines; the further lines of one message are indented.
    :ivar levels: by where a line begins, for entries with a priority of warning or worse.
    """

    data: bytearray = field(default_factory=bytearray)
    levels: dict[int, str] = field(default_factory=dict)


@dataclass
class Reading:
    """How the reading goes.

    :ivar cursor: of the last entry that was yielded. :ivar entries: how many were.
    :ivar complete: False when a limit ended it before the end of the journal. :ivar damaged: entries that are no JSON.
    :ivar cursor_lost: why the place of the last run was not found; reading began at its time instead.
    """

    cursor: str = ""
    entries: int = 0
    complete: bool = True
    damaged: int = 0
    cursor_lost: str = ""


def filter_arguments(journal: Journal) -> list[str]:
    """Return what selects the entries."""
    units = [f"--unit={unit}" for unit in journal.units]
    identifiers = [f"--identifier={identifier}" for identifier in journal.identifiers]
    sources = [part for source in journal.sources for part in ("+", _SOURCES[source])][1:]
    return [*units, *identifiers, *([f"--priority={journal.priority}"] if journal.priority else []), *sources]


def journal_arguments(journal: Journal, *, cursor: str, since: datetime | str) -> list[str]:
    """Return the arguments that read the entries after a cursor, or else those since a moment."""
    fixed = ["--output=json", "--all", "--no-pager", "--output-fields=MESSAGE,PRIORITY"]
    if cursor:
        start = [f"--after-cursor={cursor}"]
    elif since == END:
        start = ["--lines=1"]
    else:
        start = [] if isinstance(since, str) and since == BEGINNING else [f"--since=@{int(_moment(since).timestamp())}"]
    return [*fixed, *filter_arguments(journal), *start]


def _moment(since: datetime | str) -> datetime:
    if isinstance(since, str):
        raise ValueError(f"{since} is no moment")
    return since


def read_journal(
    journal: Journal, reading: Reading, *, since: datetime | str, deadline: float, fallback: datetime | None = None
) -> Iterator[Batch]:
    """Yield batches of entries; with ``since`` END and no cursor none, but the cursor of the last one is set.

    :param reading: holds the cursor of the last run, and then that of this one.
    :param deadline: moment of ``time.monotonic()`` at which reading ends; what is left is for the next run.
    :param fallback: where to begin when journalctl does not accept the cursor.
    :raises Unreadable: when journalctl is missing, fails, or the journal holds no such entry at all.
    """
    program = shutil.which("journalctl")
    if program is None:
        raise Unreadable("cannot be read: the program journalctl is not installed", "Name log files instead, or install systemd.")
    only_place = since == END and not reading.cursor
    had_cursor = reading.cursor
    said = yield from _entries(program, journal, reading, since, deadline, only_place)
    if said and had_cursor and reading.cursor == had_cursor and "cursor" in said and fallback is not None:
        reading.cursor, reading.cursor_lost = "", plain(said, 150)
        said = yield from _entries(program, journal, reading, fallback, deadline, only_place)
    if said:
        raise Unreadable(f"cannot be read: {plain(said, 200)}", _HINT)
    if not reading.entries and reading.complete and not _holds_any(program, journal, had_cursor=bool(had_cursor)):
        what = "is empty now" if had_cursor else "holds no entry at all of what is named"
        raise Unreadable(f"{what}, or this user may not read it", f"Correct the names. {_HINT}")


def _holds_any(program: str, journal: Journal, *, had_cursor: bool) -> bool:
    """Tell whether silence is an answer: journalctl is silent, too, where there is no journal.

    What never had an entry so bad is well; what never had one at all is not there. Old entries of what was read before may be
    gone, though not all entries of the journal.
    """
    filters = [] if had_cursor else filter_arguments(replace(journal, priority=""))
    probe = [program, "--output=json", "--no-pager", "--quiet", "--lines=1", "--output-fields=PRIORITY", *filters]
    holds = bool(run_command(probe, timeout_seconds=_PROBE_SECONDS).stdout.strip())
    return holds or (journal.sources == (KERNEL,) and kernel_may_be_silent(_PROBE_SECONDS))


def _entries(
    program: str, journal: Journal, reading: Reading, since: datetime | str, deadline: float, only_place: bool
) -> Generator[Batch, None, str]:
    """Yield the entries; return what journalctl said of an error, or an empty text."""
    argv = [program, *journal_arguments(journal, cursor=reading.cursor, since=since)]
    output = _Output(argv, deadline)
    batch, last = Batch(), reading.cursor
    try:
        for line in output.lines():
            if line.startswith(b"-- "):
                continue  # a remark of journalctl, such as that there are no entries
            entry = _entry(line)
            if entry is None:
                reading.damaged += 1
                continue
            reading.entries += 1
            last = str(entry.get("__CURSOR") or last)[:_MAX_CURSOR]
            if only_place:
                continue
            _add(batch, entry)
            if len(batch.data) >= _BATCH_BYTES:
                yield batch
                # Only what was counted is passed over by the next run.
                batch, reading.cursor = Batch(), last
    finally:
        output.close()
    if batch.data:
        yield batch
    reading.cursor = last
    reading.complete = reading.complete and not output.stopped
    return "" if output.stopped else output.problem()


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _add(batch: Batch, entry: dict[str, Any]) -> None:
    message = _message(entry.get("MESSAGE"))
    level = _LEVELS.get(str(entry.get("PRIORITY")))
    if level:
        batch.levels[len(batch.data)] = level
    batch.data += message.replace(b"\n", b"\n ") + b"\n"


def _message(value: Any) -> bytes:
    """Return the bytes of a message: a text, a list of bytes when it is none, or a list of texts when a field is there twice."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        value = value[0]
    if isinstance(value, list):
        value = bytes(item & 255 for item in value if isinstance(item, int)).decode("utf-8", "replace")
    text = value if isinstance(value, str) else ""
    return without_decoration(text.encode("utf-8", "replace")).rstrip(b"\r\n")


class _Output:
    """What journalctl prints, line by line, until its end, a deadline or a number of bytes.

    Making one raises :class:`Unreadable` when it does not start.

    :ivar stopped: it was ended before its own end.
    """

    def __init__(self, argv: list[str], deadline: float) -> None:
        self.stopped = False
        self._deadline = deadline
        self._said = bytearray()
        self._kept = bytearray()
        self._bytes = 0
        self._ended = False
        # A program that answers a stream without end: run_command() would hold all of it, and has a bound.
        try:
            self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"}, start_new_session=True,
            )  # fmt: skip
        except OSError as exc:
            raise Unreadable(f"cannot be read: {argv[0]} does not start ({exc.strerror})", _HINT) from None

    def lines(self) -> Iterator[bytes]:
        """Yield the lines; one that is too long is yielded cut, and so is no entry."""
        with selectors.DefaultSelector() as selector:
            for pipe in (self._process.stdout, self._process.stderr):
                if pipe is not None:
                    selector.register(pipe, selectors.EVENT_READ, pipe is self._process.stdout)
            while selector.get_map():
                left = self._deadline - time.monotonic()
                if left <= 0 or self._bytes > MAX_BYTES:
                    self.stopped = True
                    return
                for key, _events in selector.select(min(left, 1.0)):
                    data = os.read(key.fd, 262144)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.data:
                        yield from self._split(data)
                    else:
                        self._said += data[: _ERROR_BYTES - len(self._said)]
        self._ended = True

    def _split(self, data: bytes) -> Iterator[bytes]:
        self._bytes += len(data)
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield bytes(self._kept) + line[:_MAX_ENTRY_BYTES]
            self._kept.clear()
        self._kept += rest[: _MAX_ENTRY_BYTES - len(self._kept)]

    def close(self) -> None:
        """End the program if it still runs."""
        if not self._ended:
            self._process.kill()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def problem(self) -> str:
        """Return why it failed or did not show everything, or an empty text."""
        if _HIDDEN.encode() in self._said:
            return "this user sees only its own messages"
        if not self._process.returncode:
            return ""
        return decode(bytes(self._said)).strip() or f"journalctl ended with status {self._process.returncode}"
