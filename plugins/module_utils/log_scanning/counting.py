# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Counting the lines of a group: levels, patterns, what is ignored, signatures, and a few lines to show."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.levels import (
    ERROR,
    FATAL,
    LEVELS,
    candidate_starts,
    is_continuation,
    is_frame,
    level_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import Ignore, Pattern
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.signatures import Signature, sample_of, signature_of
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: New signatures of one run that are told apart; the lines of further ones are counted together.
MAX_NEW_SIGNATURES = 5000
#: Beyond that of a line no level, pattern or signature is looked for.
_LINE_BYTES = 16 * 1024

_COLORS = re.compile(rb"\x1b\[[0-9;]{0,20}[A-Za-z]")
_BETWEEN = re.compile(rb"(?:[ \t}\]][^\n]*\n|\n)*")
#: Lines that differ in digits alone have one signature, which is then worked out once: in a storm nearly all do.
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_MAX_CACHED = 2000


@dataclass
class Seen:
    """A signature as one run met it."""

    level: str
    text: str
    sample: str
    source: str
    count: int = 0


class Counter:
    """What is counted in one group, in bounded memory whatever the lines hold.

    :ivar lines: all lines. :ivar levels: how many have each level, a stack trace being one line.
    :ivar patterns: how many lines each pattern fits. :ivar ignored: lines that would count otherwise.
    :ivar used: the positions of the ignores that fitted a line.
    :ivar signatures: by fingerprint. :ivar folded: error lines whose signatures were too many to be told apart.
    :ivar matches: lines to show. :ivar left_out: how many more there are.
    :ivar busy_with: the expression that is being searched for, for who ends a search that has no end.
    """

    def __init__(
        self,
        patterns: Sequence[Pattern],
        ignores: Sequence[Ignore],
        *,
        levels: bool,
        known: Collection[str],
        max_matches: int,
    ) -> None:
        self._patterns = patterns
        self._ignores = ignores
        self._judges_levels = levels
        self._known = known
        self._max_matches = max_matches
        self._shown: dict[str, int] = {}
        self._new = 0
        self._cached: dict[tuple[bytes, str], Signature] = {}
        #: Where in the next block the lines begin that may belong to the last error; None when none can.
        self._open: int | None = None
        self.lines = 0
        self.levels = dict.fromkeys(LEVELS, 0)
        self.patterns = [0] * len(patterns)
        self.ignored = 0
        self.used: set[int] = set()
        self.signatures: dict[str, Seen] = {}
        self.folded = 0
        self.matches: list[dict[str, Any]] = []
        self.left_out = 0
        self.busy_with = ""

    @property
    def errors(self) -> int:
        """Lines with the level error or worse."""
        return self.levels[FATAL] + self.levels[ERROR]

    def begin_source(self) -> None:
        """What follows comes from another file."""
        self._open = None

    def feed(self, data: bytes, source: str, levels: Mapping[int, str] | None = None) -> None:
        """Count the lines of a block.

        :param data: whole lines, each ended by a line feed.
        :param source: the file they come from.
        :param levels: the levels that are known otherwise, by where their lines begin; such a block is taken as it is.
        """
        self.lines += data.count(b"\n")
        if levels is None:
            levels, data = {}, without_decoration(data)
        starts = candidate_starts(data) if self._judges_levels else set()
        if self._judges_levels:
            starts.update(levels)
        fitting: dict[int, list[int]] = {}
        for number, pattern in enumerate(self._patterns):
            self.busy_with = pattern.name
            for start in pattern.expression.starts(data):
                fitting.setdefault(start, []).append(number)
        self.busy_with = ""
        for start in sorted(starts.union(fitting)):
            end = data.find(b"\n", start)
            line = data[start : min(end, start + _LINE_BYTES)]
            level = (levels.get(start) or level_of(line)) if start in starts else None
            if level is not None and self._belongs_to_last(data, start, end, line):
                level = None
            numbers = fitting.get(start, ())
            if level or numbers:
                self._count(line, level, numbers, source)
            if level:
                self._open = end + 1
        if self._open is not None:
            self._open = 0 if _BETWEEN.fullmatch(data, self._open) else None

    def _belongs_to_last(self, data: bytes, start: int, end: int, line: bytes) -> bool:
        """Tell whether a line is a part of the stack trace of the last error."""
        if not is_continuation(line):
            return False
        if is_frame(line):
            return True
        if self._open is None or not _BETWEEN.fullmatch(data, self._open, start):
            return False
        self._open = end + 1
        return True

    def _count(self, line: bytes, level: str | None, numbers: Sequence[int], source: str) -> None:
        for position, ignore in enumerate(self._ignores):
            self.busy_with = ignore.subject
            if ignore.expression.found(line):
                self.used.add(position)
                self.ignored += 1
                return
        self.busy_with = ""
        for number in numbers:
            self.patterns[number] += 1
            self._show(self._patterns[number].name, line, level, source)
        if level is None:
            return
        self.levels[level] += 1
        if level in (FATAL, ERROR):
            self._show("", line, level, source)
            self._note_signature(line, level, source)

    def _show(self, pattern: str, line: bytes, level: str | None, source: str) -> None:
        shown = self._shown.get(pattern, 0)
        if shown >= self._max_matches:
            self.left_out += 1
            return
        self._shown[pattern] = shown + 1
        row = {"pattern": pattern or None, "level": level, "file": plain(source, 300), "line": sample_of(line)}
        self.matches.append(row)

    def _note_signature(self, line: bytes, level: str, source: str) -> None:
        key = line.translate(_DIGITS_ALIKE), level
        signature = self._cached.get(key)
        if signature is None:
            if len(self._cached) >= _MAX_CACHED:
                self._cached.clear()
            signature = self._cached[key] = signature_of(line, level)
        seen = self.signatures.get(signature.fingerprint)
        if seen is None:
            if signature.fingerprint not in self._known:
                if self._new >= MAX_NEW_SIGNATURES:
                    self.folded += 1
                    return
                self._new += 1
            seen = Seen(level, signature.text, sample_of(line), plain(source, 300))
            self.signatures[signature.fingerprint] = seen
        seen.count += 1


def without_decoration(data: bytes) -> bytes:
    """Return lines without the colors of a terminal and the carriage returns of other systems."""
    if b"\x1b[" in data:
        data = _COLORS.sub(b"", data)
    return data.replace(b"\r\n", b"\n") if b"\r\n" in data else data
