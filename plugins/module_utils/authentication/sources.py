# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the lines of logins come from on this host: the journal, log files, or nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.journal import NoJournal, read_journal
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.log_files import (
    DEFAULT_PATHS,
    LogFile,
    Unreadable,
    find_log,
    names_now,
    read_lines,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.messages import read_message
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.options import Window
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.syslog_lines import (
    Calendar,
    Line,
    count_new_years,
    is_traditional,
    read_line,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.authentication.tally import Tally
from ansible_collections.upkeep.runbook.plugins.module_utils.journal_begin import journal_begins
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.reach import has_lost
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

JOURNAL = "journal"
BECOME_HINT = "Run the task with become: true, or put its user into the group adm."
NO_LOG_HINT = (
    "Let the host keep its authentication messages: a journal (systemd-journald) or a syslog daemon "
    "(Debian and Ubuntu: apt install rsyslog). Name other files with paths."
)


@dataclass
class Source:
    """What came of one source.

    :ivar problem: why it could not be read, or not wholly; a part of a sentence. Empty when all is well.
    :ivar within: lines of the window.
    :ivar messages: those of them that say something about a login.
    :ivar unparsed: lines that are none of syslog.
    :ivar begins: when the journal begins, if that is within the window.
    :ivar lost: it held more of the window, and let that go.
    :ivar first: the oldest line, in or before the window, seconds since 1970.
    """

    name: str
    problem: str = ""
    hint: str = ""
    lines: int = 0
    within: int = 0
    messages: int = 0
    unparsed: int = 0
    forged: int = 0
    first: float | None = None
    begins: float | None = None
    lost: bool = False
    usable: bool = True


def read_sources(params: Mapping[str, Any], window: Window, tally: Tally) -> list[Source]:
    """Read what the options and the host allow into the tally; return what came of each source.

    With ``auto`` the journal is believed when it holds anything about logins. A host that writes both would count twice.
    """
    found = []
    begins = journal_begins(params["timeout_seconds"]) if params["source"] != "files" else None
    too_young = begins is not None and begins > window.since
    if params["source"] == "journal" or (params["source"] == "auto" and not (too_young and _files_are_older(params, window, begins))):
        journal = _read_journal(params, window, tally)
        if begins is not None and too_young:
            journal.begins, journal.lost = begins, has_lost(window.since, begins)
        found.append(journal)
        if params["source"] == "journal" or (journal.usable and journal.within):
            return found
    files = _read_files(params, window, tally)
    if params["source"] == "auto" and any(source.usable for source in files):
        # A host without a journal is an ordinary host. A journal that is closed to us matters when the files are silent.
        silent = not any(source.within for source in files)
        found = [source for source in found if source.within or (silent and source.hint)]
    return found + files


def _files_are_older(params: Mapping[str, Any], window: Window, begins: float | None) -> bool:
    """Tell whether log files hold what a journal has let go, or lost by a restart, and are still written."""
    for path in params["paths"] or DEFAULT_PATHS:
        files = find_log(path, since=window.since)[0]
        if begins is None or not files or files[-1].changed < begins:
            continue
        try:
            calendar = _calendar(files[0], window, params["max_bytes"])
            line = read_line(decode(next(read_lines(files[0], max_bytes=params["max_bytes"]), b"")), calendar)
        except Unreadable:
            continue
        if line is not None and line.at < begins:
            return True
    return False


def _calendar(file: LogFile, window: Window, max_bytes: int) -> Calendar:
    changed = min(file.changed, window.until + 366 * 86400)
    return Calendar(datetime.fromtimestamp(changed, timezone.utc), _new_years(file, max_bytes))


def _read_journal(params: Mapping[str, Any], window: Window, tally: Tally) -> Source:
    source = Source(JOURNAL)
    taking = _Taking(source, window, tally)
    try:
        figures = read_journal(
            taking.take, since=window.since, until=window.until, timeout_seconds=params["timeout_seconds"],
            max_bytes=params["max_bytes"],
        )
    except NoJournal as exc:
        # What was read before stays counted: it is true, if not all.
        source.problem, source.hint, source.usable = str(exc), exc.hint, source.within > 0
        return source
    source.lines, source.unparsed, source.forged, source.first = figures.entries, figures.unparsed, figures.forged, figures.first
    if figures.cut:
        source.problem = f"it holds more than max_bytes, {params['max_bytes']}, and the newest part was left out"
        source.hint = "Raise max_bytes or shorten the window."
    return source


def _read_files(params: Mapping[str, Any], window: Window, tally: Tally) -> list[Source]:
    sources, asked = [], params["paths"] or []
    for path in asked or DEFAULT_PATHS:
        names = names_now(path)
        files, strange = find_log(path, since=window.since)
        if not files and not strange:
            older = find_log(path, since=0.0)[0]
            if older:
                sources.append(Source(path))  # nothing was written within the window, which is an answer
            elif asked:
                sources.append(Source(path, "it does not exist", NO_LOG_HINT, usable=False))
        sources += [_read_file(file, params["max_bytes"], window, tally) for file in files]
        sources += [
            Source(name, "its compression is not known here", "Let logrotate compress with gzip.", usable=False) for name in strange
        ]
        if names != names_now(path):
            rotated = next((source for source in sources if source.name == path), Source(path, usable=bool(files)))
            rotated.problem = "it was rotated while it was read, so that lines may be missing or counted twice"
            rotated.hint = "Run again."
            sources += [] if rotated in sources else [rotated]
    if not sources:
        named = " nor ".join(DEFAULT_PATHS)
        sources.append(Source("files", f"neither {named} exists", NO_LOG_HINT, usable=False))
    return sources


def _read_file(file: LogFile, max_bytes: int, window: Window, tally: Tally) -> Source:
    source = Source(file.path)
    taking = _Taking(source, window, tally)
    try:
        calendar = _calendar(file, window, max_bytes)
        for raw in read_lines(file, max_bytes=max_bytes):
            if not raw:
                continue
            source.lines += 1
            line = read_line(decode(raw), calendar)
            if line is None:
                source.unparsed += 1
                continue
            source.first = line.at if source.first is None else source.first
            taking.take(line)
    except Unreadable as exc:
        source.problem, source.usable = str(exc), source.lines > 0
        source.hint = BECOME_HINT if "ermission" in str(exc) else f"Look at it: ls -l {plain(file.path, 200)}"
    return source


def _new_years(file: LogFile, max_bytes: int) -> int:
    """Return how often a year ends in the file; only dates without a year need to know, so others are read once."""
    first = next(read_lines(file, max_bytes=max_bytes), b"")
    return count_new_years(_sound_part(read_lines(file, max_bytes=max_bytes))) if is_traditional(first) else 0


def _sound_part(lines: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from lines
    except Unreadable:
        return  # the reading that counts says so


class _Taking:
    """Hands the messages of the window to the tally."""

    def __init__(self, source: Source, window: Window, tally: Tally) -> None:
        self._source = source
        self._window = window
        self._tally = tally

    def take(self, line: Line) -> None:
        if not self._window.since <= line.at <= self._window.until:
            return
        self._source.within += 1
        sign = read_message(line.program, line.text)
        if sign:
            self._source.messages += 1
            self._tally.see(sign, line.at, line.process)
