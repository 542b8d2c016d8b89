# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Expressions of the user: a text or a regular expression, searched for in whole blocks of lines where that means the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_CHARACTERS = 2000

#: What can match the end of a line, or sees where a text begins and ends: such an expression is tried line by line. A
#: lookaround counts among them, since it may look into the next line.
_NEEDS_LINES = re.compile(r"\\[sWDnrtfvxuUN0-7AZz]|\[\^|[\x00-\x1f]|\[[^]]*[\x00-\x20\x7f-\U0010ffff]-|\(\?(?!:)")
_FLAGS_FIRST = re.compile(r"\(\?i\)")


@dataclass(frozen=True)
class Expression:
    """A compiled expression.

    :ivar literal: the bytes to find, or empty when it is a regular expression.
    :ivar by_line: it may only be tried on one line at a time.
    """

    text: str
    literal: bytes
    regex: re.Pattern[bytes]
    by_line: bool

    def found(self, line: bytes) -> bool:
        """Tell whether it is found in a line, which ends before its line feed."""
        return self.literal in line if self.literal else self.regex.search(line) is not None

    def starts(self, block: bytes) -> list[int]:
        """Return where the lines begin that hold it; ``block`` consists of whole lines, each ended by a line feed."""
        if self.by_line:
            return self._starts_by_line(block)
        found, at = [], self._next(block, 0)
        while at >= 0:
            found.append(block.rfind(b"\n", 0, at) + 1)
            end = block.find(b"\n", at)
            if end < 0:
                break
            at = self._next(block, end + 1)
        return found

    def _next(self, block: bytes, start: int) -> int:
        if self.literal:
            return block.find(self.literal, start)
        match = self.regex.search(block, start)
        # Behind the last line feed there is no line, and ^ fits there.
        return match.start() if match and match.start() < len(block) else -1

    def _starts_by_line(self, block: bytes) -> list[int]:
        found, start, search = [], 0, self.regex.search
        for line in block.split(b"\n")[:-1]:
            if search(line):
                found.append(start)
            start += len(line) + 1
        return found


def read_expression(regex: str | None, literal: str | None, ignore_case: bool, where: str) -> Expression:
    """Return the expression that two options give; exactly one of them.

    :param where: stands before the names of the options in a message, such as ``patterns[0].``.
    :raises UpkeepError: naming the option and what is accepted.
    """
    if (regex is None) == (literal is None):
        raise UpkeepError(f"{where[:-1]}: give exactly one of regex, literal")
    name = f"{where}{'regex' if regex is not None else 'literal'}"
    text = regex if regex is not None else str(literal)
    if not text or len(text) > MAX_CHARACTERS or (literal is not None and "\n" in text):
        raise UpkeepError(f"{name}: {plain(text, 60)!r} is not accepted; give 1 to {MAX_CHARACTERS} characters of one line")
    if regex is None:
        raw = text.encode("utf-8", "surrogateescape")
        expression = re.compile(re.escape(raw), re.IGNORECASE if ignore_case else 0)
        return Expression(text, b"" if ignore_case else raw, expression, by_line=False)
    return Expression(text, b"", _compiled(text, ignore_case, name), _NEEDS_LINES.search(_FLAGS_FIRST.sub("", text, 1)) is not None)


def _compiled(text: str, ignore_case: bool, name: str) -> re.Pattern[bytes]:
    """Return the compiled expression; logs are bytes, so a character beyond ASCII is several of them.

    :raises UpkeepError: when it is none, or fits every line.
    """
    if not text.isascii() and "[" in text:
        raise UpkeepError(f"{name}: {plain(text, 60)!r} is not accepted; write (ä|ö) and not [äö] for characters beyond ASCII")
    try:
        expression = re.compile(text.encode("utf-8", "surrogateescape"), re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except (re.error, RecursionError, OverflowError, ValueError) as exc:
        raise UpkeepError(f"{name} is {plain(text, 60)!r}, which is no regular expression: {exc}") from None
    if "\n" in text and not expression.flags & re.VERBOSE:
        raise UpkeepError(f"{name}: {plain(text, 60)!r} has a line feed, which no line holds; in YAML write >- or quotes, and not |")
    if expression.search(b""):
        raise UpkeepError(f"{name}: {plain(text, 60)!r} fits an empty line, and so every line; write what must be there")
    return expression
