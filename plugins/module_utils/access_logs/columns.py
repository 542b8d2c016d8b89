# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whole blocks of lines taken apart into columns, by a few splits instead of one match for each line.

A block is split at every ``"``. When each line has as many of them as the format, the pieces stand in columns; what is
unquoted is then split at its blanks in the same way. Each split proves that no line has more or fewer: otherwise the block is
not taken apart here, and regular expressions do it line by line.
"""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.formats import LISTS, Format, Token

_SEPARATORS = " \t|;,~^"
#: nginx writes a blank into this variable; it is then two words.
_TIME_WITH_BLANK = "time_local"
ZONE = "zone"


class Word(NamedTuple):
    """What one column holds: a field between two literal texts, literal text alone, or nothing that is looked at.

    :ivar field: what it tells; '' when it is literal; None when nobody looks.
    """

    before: str
    field: str | None
    after: str


class Section(NamedTuple):
    """What stands between two quotes: words with a separator between them.

    :ivar lists: whether a value may be a list whose separator is blank, too.
    """

    words: tuple[Word, ...]
    separator: str
    lists: bool


def plan_columns(log_format: Format) -> tuple[Section, ...] | None:
    """Return how a block of this format is taken apart, or None when that takes regular expressions."""
    sections = []
    for tokens in _split_tokens(log_format.tokens, '"'):
        section = _section(tokens, {name: field for field, name in log_format.fields.items()})
        if section is None:
            return None
        sections.append(section)
    return tuple(sections)


def _split_tokens(tokens: tuple[Token, ...], separator: str) -> list[tuple[Token, ...]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        pieces = [token.text] if token.is_variable else token.text.split(separator)
        for number, piece in enumerate(pieces):
            if number:
                parts.append([])
            if piece:
                parts[-1].append(Token(piece, token.is_variable))
    return [tuple(part) for part in parts]


def _section(tokens: tuple[Token, ...], fields: dict[str, str]) -> Section | None:
    looked_at = [token.text for token in tokens if token.is_variable and token.text in fields]
    if not looked_at and any(token.is_variable for token in tokens):
        return Section((Word("", None, ""),), "", False)
    if sum(token.is_variable for token in tokens) <= 1:
        word = _word(tokens, fields)
        return None if word is None else Section((word,), "", False)
    for separator in _SEPARATORS:
        words = [_word(part, fields) for part in _split_tokens(_with_zone(tokens, separator), separator)]
        if len(words) > 1 and None not in words:
            names = [token.text for token in tokens if token.is_variable]
            lists = separator == " " and any(LISTS.fullmatch(name) for name in names)
            return Section(tuple(word for word in words if word is not None), separator, lists)
    return None


def _with_zone(tokens: tuple[Token, ...], separator: str) -> tuple[Token, ...]:
    """Return the tokens with the time as two words, where they are split at the blank that it contains."""
    result = []
    for token in tokens:
        result.append(token)
        if separator == " " and token == Token(_TIME_WITH_BLANK, True):
            result += [Token(" ", False), Token(ZONE, True)]
    return tuple(result)


def _word(tokens: tuple[Token, ...], fields: dict[str, str]) -> Word | None:
    """Return what a word holds, or None when it holds several variables of which one is looked at."""
    variables = [token.text for token in tokens if token.is_variable]
    wanted = [name for name in variables if name in fields or name == ZONE]
    if not variables:
        return Word("".join(token.text for token in tokens), "", "")
    if not wanted:
        return Word("", None, "")
    if len(variables) > 1:
        return None
    position = next(number for number, token in enumerate(tokens) if token.is_variable)
    before, after = ("".join(token.text for token in part) for part in (tokens[:position], tokens[position + 1 :]))
    return Word(before, fields.get(wanted[0], ZONE), after)


def take_apart(text: str, count: int, sections: tuple[Section, ...]) -> dict[str, list[str]] | None:
    """Return the columns of a block by their fields; None when a line is not like the others.

    :param text: lines with a newline between them, none at the end.
    :param count: how many lines they are.
    """
    quoted = split_aligned(text, '"', len(sections) - 1, count)
    if quoted is None:
        return None
    columns: dict[str, list[str]] = {}
    for section, column in zip(sections, quoted):
        parts: list[list[str]] | None = [column]
        if len(section.words) > 1:
            joined = "\n".join(column)
            if section.lists:
                joined = joined.replace(", ", ",").replace(" : ", ":")
            parts = split_aligned(joined, section.separator, len(section.words) - 1, count)
        if parts is None:
            return None
        for word, part in zip(section.words, parts):
            if word.field is None:
                continue
            if not word.field:
                if part.count(word.before) != count:
                    return None
                continue
            stripped = _strip(part, word, count)
            if stripped is None:
                return None
            columns[word.field] = stripped
    return columns


def split_aligned(text: str, separator: str, per_line: int, count: int) -> list[list[str]] | None:
    """Split lines into ``per_line + 1`` columns; None unless every line has the separator exactly so often."""
    if not per_line:
        return [text.split("\n")]
    pieces = text.split(separator)
    if len(pieces) != per_line * count + 1:
        return None
    # Every so many pieces one holds the end of a line and the beginning of the next. When each of them has one newline, all
    # newlines are in them, and no line has too many or too few separators.
    seams = pieces[per_line:-1:per_line]
    if list(map(str.count, seams, repeat("\n"))).count(1) != count - 1:
        return None
    ends = "\n".join([pieces[0], *seams, pieces[-1]]).split("\n")
    return [ends[::2], *(pieces[number::per_line] for number in range(1, per_line)), ends[1::2]]


def _strip(column: list[str], word: Word, count: int) -> list[str] | None:
    """Return a column without the literal text around its values; None when one has other text there."""
    if word.before:
        parts = ("\n" + "\n".join(column)).split("\n" + word.before)
        if len(parts) != count + 1 or parts[0]:
            return None
        column = parts[1:]
    if word.after:
        parts = ("\n".join(column) + "\n").split(word.after + "\n")
        if len(parts) != count + 1 or parts[-1]:
            return None
        column = parts[:-1]
    return column
