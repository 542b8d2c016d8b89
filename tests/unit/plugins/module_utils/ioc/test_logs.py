"""Addresses and domains are found in logs as whole words, wherever a piece ends, in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc import logs
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.indicators import Indicator
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.logs import Unread, search_log, search_pieces
from ansible_collections.upkeep.runbook.plugins.module_utils.ioc.words import Words

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
        (b"[2001:DB8::1]:443", {V6: 1}), (b"2001:0db8:0:0:0:0:0:1 said", {V6: 1}), (b"from 2001:db8::1: hello", {V6: 1}),
        (b"::ffff:c000:201", {V4: 1}), (b"at 12:34:56 1:2", {}), (b"2001:db8::12", {}), (b"a2001:db8::1", {}),
        (b"GET http://EVIL.example.com/x", {NAME: 1}), (b"cdn.evil.example.com.", {NAME: 1}), (b"notevil.example.com", {}),
        (b"evil.example.com.org", {}), (b"example.com", {}), (b"com", {}), (b"." * 600 + b"evil.example.com..", {NAME: 1}),
        (b"a" * 600 + b".evil.example.com", {NAME: 1}), (b"evil.example.com.evil.example.com", {NAME: 1}),
        (b"evil.example.community", {}), (b"evil-example.com", {}),
        (b"192.0.2.1 evil.example.com 192.0.2.1", {V4: 2, NAME: 1}), (b"\0\xff\x1b[2J192.0.2.1\n", {V4: 1}), (b"", {}),
    ],
)  # fmt: skip
def test_whole_words_count(tmp_path: Path, text: bytes, found: dict[Indicator, int]) -> None:
    assert search(tmp_path / "log", text) == found
    assert search(tmp_path / "log.gz", gzip.compress(text)) == found


def test_wherever_a_piece_ends_each_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"".join(
        b"x" * shift + b" 192.0.2.1 cdn.evil.example.com notevil.example.com 192.0.2.11 2001:db8::1" for shift in range(0, 600, 29)
    )
    for size in (97, 507, 4096, 1):
        monkeypatch.setattr(logs, "_PIECE_BYTES", max(size, 50))
        counts: dict[Indicator, int] = {}
        assert search_pieces((text[at:at + size] for at in range(0, len(text), size)), WORDS, counts, 2**30) == len(text)
        assert counts == {V4: 21, V6: 21, NAME: 21}


def test_a_domain_and_one_below_it_both_count() -> None:
    counts: dict[Indicator, int] = {}
    wide = Indicator("domain", "example.com")
    search_pieces([b"evil.example.com www.example.com"], Words([NAME, wide]), counts, 2**30)
    assert counts == {NAME: 1, wide: 2}


def test_each_packing_is_read_and_another_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    zstd = subprocess.run(["zstd", "-qc"], input=b"192.0.2.1", capture_output=True, check=True).stdout
    for content in (gzip.compress(b"192.0.2.1"), bz2.compress(b"192.0.2.1"), lzma.compress(b"192.0.2.1"), zstd):
        path.write_bytes(content)
        assert search_log(str(path), WORDS, max_bytes=2**30) == ({V4: 1}, 9)
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(Unread, match="zip"):
        search_log(str(path), WORDS, max_bytes=2**30)


def test_what_was_not_read_to_its_end_is_told_with_what_was_found(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"192.0.2.1\n" * 1000)
    with pytest.raises(Unread, match="more than 2000 bytes") as unread:
        search_log(str(path), WORDS, max_bytes=2000)
    assert unread.value.counts == {V4: 200}
    packed = gzip.compress(os.urandom(100_000) + b"192.0.2.1")
    path.write_bytes(gzip.compress(b"192.0.2.1 ") + packed[: len(packed) // 2])
    with pytest.raises(Unread, match="cut off") as unread:
        search_log(str(path), WORDS, max_bytes=2**30)
    assert unread.value.counts == {V4: 1}
