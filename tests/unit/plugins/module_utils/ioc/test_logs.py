"""Addresses and domains are found in logs as whole words, wherever a piece ends, in bounded memory."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc import logs
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.indicators import Indicator
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.logs import Unread, Words, search_log

V4, V6, NAME = Indicator("address", "192.0.2.1"), Indicator("address", "2001:db8::1"), Indicator("domain", "evil.example.com")
WORDS = Words([V4, V6, NAME])


def search(path: Path, content: bytes, max_bytes: int = 2**30) -> dict[Indicator, int]:
    path.write_bytes(content)
    counts, size = search_log(str(path), WORDS, max_bytes=max_bytes)
    assert size == len(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    return counts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"192.0.2.1 - -", {V4: 1}), (b"from 192.0.2.1:443.", {V4: 1}), (b"::ffff:192.0.2.1", {V4: 1}), (b"at 192.0.2.1.", {V4: 1}),
        (b"192.0.2.10", {}), (b"1192.0.2.1", {}), (b"9.192.0.2.1", {}), (b"192.0.2.1.5", {}),
        (b"[2001:DB8::1]:443", {V6: 1}), (b"2001:db8::12", {}), (b"a2001:db8::1", {}),
        (b"GET http://EVIL.example.com/x", {NAME: 1}), (b"cdn.evil.example.com.", {NAME: 1}), (b"notevil.example.com", {}),
        (b"evil.example.com.org", {}), (b"evil.example.community", {}), (b"evil-example.com", {}),
        (b"192.0.2.1 evil.example.com 192.0.2.1", {V4: 2, NAME: 1}), (b"\0\xff\x1b[2J192.0.2.1\n", {V4: 1}), (b"", {}),
    ],
)  # fmt: skip
def test_whole_words_count(tmp_path: Path, text: bytes, found: dict[Indicator, int]) -> None:
    assert search(tmp_path / "log", text) == found
    assert search(tmp_path / "log.gz", gzip.compress(text)) == found


def test_wherever_a_piece_ends_each_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (513, 600, 1024):
        monkeypatch.setattr(logs, "_CHUNK_BYTES", size)
        for shift in range(0, 60, 7):
            line = b"x" * shift + b" 192.0.2.1 evil.example.com notevil.example.com 192.0.2.11 2001:db8::1"
            assert search(tmp_path / "log", line * 100) == {V4: 100, V6: 100, NAME: 100}
    monkeypatch.setattr(logs, "_CHUNK_BYTES", 1024 * 1024)
    assert search(tmp_path / "log", b"a" * 3_000_000 + b" 192.0.2.1") == {V4: 1}


def test_what_was_not_read_to_its_end_is_told_with_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"192.0.2.1\n" * 1000)
    with pytest.raises(Unread, match="more than 2000 bytes") as unread:
        search_log(str(path), WORDS, max_bytes=2000)
    assert unread.value.counts == {V4: 200}
    packed = gzip.compress(os.urandom(100_000) + b"192.0.2.1")
    path.write_bytes(gzip.compress(b"192.0.2.1 ") + packed[: len(packed) // 2])
    with pytest.raises(Unread, match="to its end"):
        search_log(str(path), WORDS, max_bytes=2**30)
    path.write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(Unread):
        search_log(str(path), WORDS, max_bytes=2**30)


def test_what_is_no_log_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "nothing"):
        with pytest.raises(Unread):
            search_log(str(path), WORDS, max_bytes=2**30)


def test_a_bomb_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"\0" * 30_000_000))
    with pytest.raises(Unread, match="more than 1000000"):
        search_log(str(tmp_path / "bomb.gz"), WORDS, max_bytes=1_000_000)
