# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rows of an access log in columns, and the reader that makes them out of blocks of lines.

Text is carried as Latin-1, in which each byte is a character: no byte is refused, and comparing is quick. It becomes UTF-8
where it is shown (:func:`shown`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple, Protocol

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.columns import ZONE, plan_columns, take_apart
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import Format
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.line_pattern import fields_in_order, line_pattern
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

_SAMPLE_CHARACTERS = 200


class Rows(NamedTuple):
    """Lines as columns of equal length, by field; the field ``time`` is always there.

    :ivar zone: what belongs behind every time, such as `` +0100``; '' when the times are whole.
    """

    lines: int
    columns: dict[str, list[str]]
    zone: str = ""

    def select(self, mask: Sequence[bool]) -> Rows:
        """Return the rows whose place in the mask is true."""
        columns = {field: list(compress(column, mask)) for field, column in self.columns.items()}
        return Rows(len(columns["time"]), columns, self.zone)


class Unparsed(NamedTuple):
    """Lines that do not have the format: how many, and the first of them as people may see it."""

    lines: int = 0
    first: str = ""


class Reader(Protocol):
    """What makes rows out of a block of lines without a newline at its end."""

    def read(self, block: str) -> tuple[list[Rows], Unparsed]:
        """Return rows, in one or several parts, and what could not be read."""


def shown(text: str) -> str:
    """Return text of a log as people may see it: as UTF-8, on one line, nothing that a terminal would obey."""
    return plain(decode(text.encode("latin-1", "backslashreplace")))


def sample_of(line: str) -> str:
    """Return the beginning of a line as people may see it."""
    return plain(decode(line[: _SAMPLE_CHARACTERS * 4].encode("latin-1", "backslashreplace")), _SAMPLE_CHARACTERS)


class TextReader:
    """Reads lines of a ``log_format``: as columns where that works, with a regular expression where it does not."""

    def __init__(self, log_format: Format) -> None:
        self._sections = plan_columns(log_format)
        self._pattern = line_pattern(log_format)
        self._fields = fields_in_order(log_format)

    def read(self, block: str) -> tuple[list[Rows], Unparsed]:
        """Return rows, in one or several parts, and what could not be read."""
        if self._sections is None:
            return self._match(block)
        count = block.count("\n") + 1
        rows = self._split(block, count)
        if rows is not None:
            return [rows], Unparsed()
        # Mostly it is a single line that has a quote too many: the others are still columns.
        quotes = len(self._sections) - 1
        lines = block.split("\n")
        alike = [line.count('"') == quotes for line in lines]
        most = list(compress(lines, alike))
        if len(most) in (0, count):
            return self._match(block)
        rows = self._split("\n".join(most), len(most))
        if rows is None:
            return self._match(block)
        parts, unparsed = self._match("\n".join(compress(lines, [not same for same in alike])))
        return [rows, *parts], unparsed

    def _split(self, block: str, count: int) -> Rows | None:
        columns = take_apart(block, count, self._sections or ())
        if columns is None:
            return None
        statuses = set(columns["status"])
        if not all(len(status) == 3 and status.isascii() and status.isdigit() for status in statuses):
            return None
        zones = columns.pop(ZONE, None)
        if zones is None:
            return Rows(count, columns)
        if zones.count(zones[0]) == count:
            return Rows(count, columns, " " + zones[0])
        columns["time"] = [f"{time} {zone}" for time, zone in zip(columns["time"], zones)]
        return Rows(count, columns)

    def _match(self, block: str) -> tuple[list[Rows], Unparsed]:
        found = self._pattern.findall(block)
        count = block.count("\n") + 1
        parts = [Rows(len(found), dict(zip(self._fields, map(list, zip(*found)))))] if found else []
        if len(found) == count:
            return parts, Unparsed()
        match = self._pattern.fullmatch
        first = next((line for line in block.split("\n") if not match(line)), "")
        return parts, Unparsed(count - len(found), sample_of(first))
