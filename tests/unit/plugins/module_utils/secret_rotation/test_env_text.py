"""Where the value of a key stands in a file of settings, and what is refused since readers would not agree."""

from __future__ import annotations

import re

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.secret_rotation.env_text import Unclear, is_key, value_of, with_value

NEW = b"n-e_w1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"K=old", b"K=n-e_w1"),
        (b"# K=older\nA=1\nK=old\nB=2\n", b"# K=older\nA=1\nK=n-e_w1\nB=2\n"),
        (b"\xef\xbb\xbfK=old\r\nA=1\r\n", b"\xef\xbb\xbfK=n-e_w1\r\nA=1\r\n"),
        (b"  export K = old  # signs tokens\n", b"  export K = n-e_w1  # signs tokens\n"),
        (b"K=old#no-comment-for-all\n", b"K=n-e_w1\n"),
        (b"K='old # value' # why\n", b"K='n-e_w1' # why\n"),
        (b'K="o\'l=d"\n', b'K="n-e_w1"\n'),
        (b"K=`old`\n", b"K=`n-e_w1`\n"),
        (b"KK=1\nXK=2\nK.K=3\nK=old", b"KK=1\nXK=2\nK.K=3\nK=n-e_w1"),
        (b'A="first\nK=inside\nlast"\nK=old\n', b'A="first\nK=inside\nlast"\nK=n-e_w1\n'),
        (b'A="a\\"b"\nK=old\n', b'A="a\\"b"\nK=n-e_w1\n'),
        (b"A=it's\nK=old\nB=it's\n", b"A=it's\nK=n-e_w1\nB=it's\n"),
        (b"A='first\nK=inside\nlast'\n;K=older\nURL=x?K=1\nX-K=1\nK=old\n", b"A='first\nK=inside\nlast'\n;K=older\nURL=x?K=1\nX-K=1\nK=n-e_w1\n"),
        (b"\xff\xfe=\x80\nK=old\n", b"\xff\xfe=\x80\nK=n-e_w1\n"),
    ],
    ids=[
        "alone", "among others", "bom and crlf", "export, blanks, comment", "hash in the middle", "single quotes", "double quotes",
        "backquotes", "other keys", "several lines of another key", "escaped quote of another key", "apostrophes", "what looks like it", "no utf-8",
    ],
)
def test_only_the_value_changes(before: bytes, after: bytes) -> None:
    assert with_value(before, "K", NEW) == after
    assert with_value(after, "K", value_of(before, "K")) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"A=1\n#K=old\n", "has no K"),
        (b"K=old\nexport K=other\n", "has K 2 times"),
        (b"K=old\nK: other\n", "has K 2 times"),
        (b"K=old\ndeclare -x K=other\n", "has K 2 times"),
        (b"K=old\nK+=more\n", "has K 2 times"),
        (b"\xef\xbb\xbfK=old\n\xef\xbb\xbfK=other\n", "has K 2 times"),
        (b"K=old\nA='a\\'\nK=other\nB='b'\n", "has K 2 times"),
        (b'X-A="first\nK=inside\n"\n', "has no K"),
        (b"K: old\n", "behind a colon"),
        (b"K=\n", "is empty"),
        (b'K=""\n', "is empty"),
        (b"K=   # todo\n", "is empty"),
        (b"K=#old\n", "is empty"),
        (b"K=${SHARED}\n", "is that of another variable"),
        (b'K="$SHARED"\n', "is that of another variable"),
        (b'K="first\nlast"\n', "has several lines"),
        (b"K=first\\\nlast\n", "has several lines"),
        (b"A=1\\\nK=old\n", "may belong to the line before"),
        (b"# note \\\nK=old\n", "may belong to the line before"),
        (b"K=a b\n", "quotes or blanks in the middle"),
        (b"K=o'l'd\n", "quotes or blanks in the middle"),
        (b"K='old'x\n", "is followed by something else"),
        (b'K="o\\"ld"\n', "has its own quote in it"),
        (b"A='open\nK=old\n", "the quote behind A has no end"),
        (b"A=1\rK=old\n", "bytes that no file of settings has"),
        (b"K=old\0\n", "bytes that no file of settings has"),
    ],
)
def test_what_is_not_certain_is_refused_and_no_value_is_told(content: bytes, reason: str) -> None:
    with pytest.raises(Unclear, match=re.escape(reason)) as raised:
        with_value(content, "K", NEW)
    assert not re.search(r"\bold|first|todo|SHARED", raised.value.message.replace("that of another variable; rotate that one", ""))


def test_an_old_value_that_needs_quotes_is_not_written_without_them() -> None:
    """As when somebody has taken the quotes away since."""
    with pytest.raises(Unclear, match="needs other quotes|in the middle"):
        with_value(b"K=new\n", "K", b"o'l d")


def test_many_values_of_several_lines_take_no_longer_than_they_are() -> None:
    content = b'A="\n"\n' * 100_000 + b"K=old\n"
    assert with_value(content, "K", NEW).endswith(b"K=n-e_w1\n")


@pytest.mark.parametrize(("name", "expected"), [("JWT_SECRET", True), ("a.b", True), ("1A", False), ("A B", False), ("A\n", False), ("", False)])
def test_names_of_keys(name: str, expected: bool) -> None:
    assert is_key(name) is expected
