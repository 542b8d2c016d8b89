"""Expressions find in a block of lines what they find in each line."""

from __future__ import annotations

import re

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.expressions import read_expression

LINES = [
    b"", b"timeout after 5 ms", b"x timeout", b"after 7 ms", b"error", b" ok", b"a\tb", b"slow query took 12ms", b"END", b"ENDE",
    b"\xff\xfe broken", b"a" * 300, "größe ä".encode(), b"error",
]  # fmt: skip
BLOCK = b"".join(line + b"\n" for line in LINES)


@pytest.mark.parametrize(
    ("regex", "by_line"),
    [
        (r"timeout after \d+ ms", False),
        (r"^error$", False),
        (r"END$", False),
        (r"\bEND\b", False),
        (r"(?i)TIMEOUT|Query", False),
        (r"(?:slow|fast) query .* \d+ms", False),
        (r"a{300}", False),
        (r"größe|größer", False),
        (r"timeout\s+after", True),
        (r"error(?!\s*ok)", True),
        (r"error[^x]", True),
        (r"\Aerror\Z", True),
        (r"x timeout\W", True),
        (r"[\t]b", True),
        (r"(?s)timeout.*ms", True),
        (r"(e)rr\1?or", True),
        (r"(?=error)e", True),
        (r"[\x00-~]ok", True),
        (r"[ -~]ok", True),
    ],
)
def test_a_block_is_searched_as_its_lines_are(regex: str, by_line: bool) -> None:
    expression = read_expression(regex, None, False, "patterns[0].")
    assert expression.by_line is by_line
    compiled = re.compile(regex.encode())
    starts, position = [], 0
    for line in LINES:
        if compiled.search(line):
            starts.append(position)
        position += len(line) + 1
    assert expression.starts(BLOCK) == starts
    assert [line for line in LINES if expression.found(line)] == [line for line in LINES if compiled.search(line)]


def test_literals_are_no_expressions() -> None:
    dots = read_expression(None, "a.b", False, "patterns[0].")
    assert dots.starts(b"aXb\na.b a.b\na.B\n") == [4] and dots.found(b"a.b") and not dots.found(b"axb")
    either = read_expression(None, "a.b", True, "patterns[0].")
    assert either.starts(b"aXb\na.b\nA.B\n") == [4, 8]


@pytest.mark.parametrize(
    ("regex", "literal", "words"),
    [
        (None, None, "patterns[0]: give exactly one of regex, literal"),
        ("a", "b", "exactly one"),
        ("(", None, "patterns[0].regex is '(', which is no regular expression"),
        ("a*", None, "fits an empty line"),
        ("$", None, "fits an empty line"),
        ("", None, "1 to 2000 characters"),
        (None, "a\nb", "one line"),
        ("ERROR .* failed\n", None, "has a line feed, which no line holds"),
        ("x" * 2001, None, "1 to 2000 characters"),
        ("[äö]", None, "(ä|ö)"),
        ("a{4294967296}", None, "no regular expression"),
    ],
)
def test_what_is_refused(regex: str | None, literal: str | None, words: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_expression(regex, literal, False, "patterns[0].")
    assert words in caught.value.message
