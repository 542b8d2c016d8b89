"""Text from targets is data: one line, printable, bounded, and nothing is lost without a trace."""

from __future__ import annotations

import os

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain, plain_value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("Grüße 日本", "Grüße 日本"),
        ("two\nlines\tand  blanks ", "two lines and blanks"),
        ("\x1b[2Jcleared", "\\x1b[2Jcleared"),
        ("nul\x00", "nul\\x00"),
        ("right\u202eleft", "right\\u202eleft"),
        (os.fsdecode(b"caf\xe9.log"), "caf\\xe9.log"),
        ("\ud800", "\\ud800"),
        ("<script>", "<script>"),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert plain(text) == expected
    plain(text).encode("utf-8")


def test_plain_is_bounded_and_says_so() -> None:
    assert plain("x" * 1_000_000, 10) == "x" * 9 + "…"
    assert plain("x" * 10, 10) == "x" * 10
    assert len(plain("\x00" * 100, 10)) == 10


def test_decode_shows_bytes_that_are_no_text() -> None:
    assert decode(b"ok \xff\xfe") == "ok \\xff\\xfe"


def test_plain_value_bounds_depth_and_width() -> None:
    deep: dict = {}
    inner = deep
    for _level in range(50):
        inner["x"] = {}
        inner = inner["x"]
    assert "…" in str(plain_value(deep))
    assert len(plain_value(list(range(10_000)))) == 200
    assert plain_value({1: {"a", }}) == {"1": ["a"]}
    assert plain_value(object()).startswith("<object")
