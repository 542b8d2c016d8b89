# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the value of a key stands in the text of a file of settings (``.env``), byte by byte.

Programs read such files in different ways: the packages for Node.js, a shell, and systemd. A value is found here only where all of
them find the same one; whatever else it is, is refused. No value is ever part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError

_BOM = b"\xef\xbb\xbf"
_KEY = r"[A-Za-z_][A-Za-z0-9_.]*"
#: Some programs take more as a key than can be rotated; the lines of its value are none of their own.
_ASSIGNMENT = re.compile(
    rb"[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z0-9_.-]+)(?P<sign>[ \t]*=|[ \t]*:[ \t])[ \t]*(?P<rest>.*)", re.DOTALL
)
_COMMENT = re.compile(rb"[ \t]*(?:#.*)?", re.DOTALL)
_COMMENT_BEHIND = re.compile(rb"[ \t]#")
_REFERENCE = re.compile(rb"\$(?:\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*)")
_BACKSLASH = ord("\\")
_QUOTES = (b'"', b"'", b"`")


class Unclear(UpkeepError):
    """It is not certain which bytes are the value; the message completes "<path>: …"."""


@dataclass(frozen=True)
class Assignment:
    """What gives a value to a key: a line, or the lines of a quoted value that has several.

    :ivar start: where the value begins in the text, behind a quote; ``end``: behind its last byte.
    :ivar problem: why the value cannot be exchanged, "" when it can.
    """

    key: bytes
    start: int = 0
    end: int = 0
    problem: str = ""


def is_key(name: str) -> bool:
    """Tell whether it can be the name of a key."""
    return bool(re.fullmatch(_KEY, name))


def find_value(content: bytes, key: str) -> tuple[int, int]:
    """Return where the value of a key begins and ends.

    :raises Unclear: when the key is missing, there twice, has no value of its own, or readers would not agree about it.
    """
    if b"\0" in content or re.search(rb"\r(?!\n)", content):
        raise Unclear("it holds bytes that no file of settings has")
    everything = list(_assignments(content))
    found = [one for one in everything if one.key == key.encode()]
    if not found:
        raise Unclear(f"it has no {key}")
    times = max(len(found), _lines_that_may_assign(content, everything, key))
    if times > 1:
        raise Unclear(f"it has {key} {times} times; take away all but the one that counts")
    if found[0].problem:
        raise Unclear(f"the value of {key} {found[0].problem}")
    return found[0].start, found[0].end


def value_of(content: bytes, key: str) -> bytes:
    """Return the value of a key.

    :raises Unclear: as :func:`find_value`.
    """
    start, end = find_value(content, key)
    return content[start:end]


def with_value(content: bytes, key: str, value: bytes) -> bytes:
    """Return the text with another value for a key, and every other byte as it was.

    :raises Unclear: as :func:`find_value`, or when readers would not find the new value there.
    """
    start, end = find_value(content, key)
    changed = content[:start] + value + content[end:]
    if find_value(changed, key) != (start, start + len(value)):
        raise Unclear(f"the value of {key} that is to be written needs other quotes")
    return changed


def _assignments(content: bytes) -> Iterator[Assignment]:
    """Return the assignments in the order of the text.

    :raises Unclear: when a quoted value does not end, so that nobody can tell what follows from it.
    """
    position = len(_BOM) if content.startswith(_BOM) else 0
    continued = False
    while position < len(content):
        end = _end_of_line(content, position)
        text = content[position:end]
        text = text[:-1] if text.endswith(b"\r") else text
        match = _ASSIGNMENT.fullmatch(text)
        if match is not None and match["rest"][:1] in _QUOTES and _closing(match["rest"], 0) < 0:
            # Its end is behind the quote, wherever that is.
            begin = position + match.start("rest")
            closing = _closing(content, begin)
            if closing < 0:
                raise Unclear(f"the quote behind {match['key'].decode()} has no end")
            end = _end_of_line(content, closing)
            # A shell knows no backslash between single quotes, and runs what is between backquotes: it may see other lines there.
            agreed = content[begin:begin + 1] == b'"' or (content[begin:begin + 1] == b"'" and b"\\" not in content[begin:closing])
            yield Assignment(match["key"], begin if agreed else 0, closing if agreed else 0, "has several lines")
        elif match is not None:
            yield _assigned(match, position, "may belong to the line before, which ends with a backslash" if continued else "")
        continued = text.endswith(b"\\")
        position = end + 1


def _lines_that_may_assign(content: bytes, everything: Sequence[Assignment], key: str) -> int:
    """Count the lines that give the key a value as some program reads them: behind ``declare``, a byte order mark or other blanks, or with ``+=``."""
    ends = [0, *(one.end for one in everything if one.end)]
    starts = [*(one.start for one in everything if one.end), len(content)]
    outside = b"".join(content[end:start] for end, start in zip(ends, starts))
    return len(re.findall(rb"(?m)^(?![ \t]*;)[^#\n=]*(?<![A-Za-z0-9_.-])" + re.escape(key.encode()) + rb"[ \t]*\+?=", outside))


def _end_of_line(content: bytes, position: int) -> int:
    end = content.find(b"\n", position)
    return len(content) if end < 0 else end


def _closing(text: bytes, begin: int) -> int:
    """Return where the quote ends that begins there, -1 when it does not."""
    position = begin + 1
    while position < len(text):
        if text[position] == text[begin]:
            return position
        position += 2 if text[position] == _BACKSLASH else 1
    return -1


def _assigned(match: re.Match[bytes], position: int, problem: str) -> Assignment:
    key, rest = match["key"], match["rest"]
    begin = position + match.start("rest")
    if match["sign"].strip() == b":":
        return Assignment(key, problem="stands behind a colon, which not all programs read")
    if rest[:1] in _QUOTES:
        begin, closing = begin + 1, _closing(rest, 0)
        value = rest[1:closing]
        if not _COMMENT.fullmatch(rest[closing + 1:]):
            problem = problem or "is followed by something else in its line"
        elif b"\\" + rest[:1] in value:
            problem = problem or "has its own quote in it"
    else:
        behind = _COMMENT_BEHIND.search(rest)
        value = (rest[:behind.start()] if behind else rest).rstrip() if rest[:1] != b"#" else b""
        if any(quote in value for quote in _QUOTES) or re.search(rb"\s", value):
            problem = problem or "has quotes or blanks in the middle"
        elif value.endswith(b"\\"):
            problem = problem or "has several lines"
    if not value.strip():
        problem = problem or "is empty"
    elif _REFERENCE.fullmatch(value.strip()):
        problem = problem or "is that of another variable; rotate that one"
    return Assignment(key, begin, begin + len(value), problem)
