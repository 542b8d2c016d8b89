"""Compressed streams: several in one file, padding, garbage, limits; and the frames of zstd, which are walked without unpacking."""

from __future__ import annotations

import bz2
import gzip
import lzma
import time
import zlib
from collections.abc import Callable

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import FREE_BYTES, Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.unpacking import unpack
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_frames import FrameWalk

PACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
TEXT = bytes(range(256)) * 4000
KINDS = pytest.mark.parametrize("kind", list(PACK))


def unpacked(data: bytes, kind: str, *, chunk: int = 1000, limits: Limits | None = None) -> tuple[bytes, int]:
    """Return what it unpacks to, and how many streams had no checksum."""
    without: list[int] = []
    budget = Budget(limits or Limits(time.monotonic() + 60), len(data))
    chunks = (data[at : at + chunk] for at in range(0, len(data), chunk))
    return b"".join(unpack(chunks, kind, budget, lambda: without.append(1))), len(without)


@KINDS
@pytest.mark.parametrize("chunk", [1, 7, 4096, 10**7])
def test_several_streams_with_zeros_between_them_are_one(kind: str, chunk: int) -> None:
    data = PACK[kind](b"one") + PACK[kind](b"") + bytes(8) + PACK[kind](b"two") + bytes(512)
    assert unpacked(data, kind, chunk=chunk) == (b"onetwo", 0)


@KINDS
def test_ten_thousand_streams_are_no_deep_recursion(kind: str) -> None:
    assert unpacked(PACK[kind](b"x") * 10_000, kind, chunk=262_144) == (b"x" * 10_000, 0)


@KINDS
def test_a_stream_is_unpacked_in_small_parts(kind: str) -> None:
    data = PACK[kind](bytes(50_000_000))
    budget = Budget(Limits(time.monotonic() + 60, ratio=1e6), len(data))
    sizes = [len(part) for part in unpack([data], kind, budget, lambda: None)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 262_144


@KINDS
@pytest.mark.parametrize("garbage", [b"x", b"\x1f\x8c123456", b"\0\0\0\0garbage", b"BZ", b"\x1f"])
def test_garbage_after_the_end_is_found(kind: str, garbage: bytes) -> None:
    with pytest.raises(Damaged, match="no part of it after its end"):
        unpacked(PACK[kind](b"text") + garbage, kind)


@KINDS
def test_every_truncation_is_found(kind: str) -> None:
    data = PACK[kind](TEXT[:5000])
    for length in range(len(data)):
        with pytest.raises(Damaged) as caught:
            unpacked(data[:length], kind)
        assert caught.value.cut_off, length
    assert unpacked(data, kind)[0] == TEXT[:5000]


def test_the_checksum_and_the_length_of_gzip_are_compared() -> None:
    data = gzip.compress(b"text")
    for at in range(len(data) - 8, len(data)):
        with pytest.raises(Damaged, match="check"):
            unpacked(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "gz")


def test_names_and_times_in_a_gzip_header_do_not_matter() -> None:
    data = gzip.compress(b"text", mtime=5)
    assert unpacked(data[:3] + b"\x08" + data[4:10] + b"name.txt\0" + data[10:], "gz") == (b"text", 0)
    assert unpacked(data[:4] + b"\xff\xff\xff\x7f" + data[8:], "gz") == (b"text", 0)
    header = data[:3] + b"\x02" + data[4:10]
    assert unpacked(header + (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little") + data[10:], "gz") == (b"text", 0)
    with pytest.raises(Damaged):
        unpacked(header + b"\0\0" + data[10:], "gz")


def test_xz_without_checksums_is_told() -> None:
    data = lzma.compress(b"text", check=lzma.CHECK_NONE) + lzma.compress(b"text")
    assert unpacked(data, "xz") == (b"texttext", 1)


def test_xz_that_needs_much_memory_is_not_read() -> None:
    data = lzma.compress(b"text", preset=9)
    with pytest.raises(Unread, match="more memory") as caught:
        unpacked(data, "xz")
    assert "max_decoder_bytes" in caught.value.hint
    assert unpacked(data, "xz", limits=Limits(time.monotonic() + 60, decoder_bytes=128 * 2**20))[0] == b"text"


def test_a_bomb_ends_early() -> None:
    bomb = bz2.compress(bytes(FREE_BYTES + 10_000_000))
    with pytest.raises(Unread, match="10 times its size") as caught:
        unpacked(bomb, "bz2", limits=Limits(time.monotonic() + 60, ratio=10))
    assert "max_ratio" in caught.value.hint


def test_time_ends_it() -> None:
    with pytest.raises(Unread, match="time limit"):
        unpacked(gzip.compress(TEXT), "gz", limits=Limits(time.monotonic() - 1))


def frame(*blocks: bytes, flags: int = 0x24, size: int = 3) -> bytes:
    """Return a zstd frame of raw blocks: a single segment whose size is one byte, with a checksum."""
    body = b"".join(
        ((len(block) << 3) | (number == len(blocks) - 1)).to_bytes(3, "little") + block
        for number, block in enumerate(blocks)
    )
    return b"\x28\xb5\x2f\xfd" + bytes([flags, size]) + body + (b"sum!" if flags & 4 else b"")


SKIPPED = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"


def walk(data: bytes, chunk: int) -> FrameWalk:
    frames = FrameWalk()
    for at in range(0, len(data), chunk):
        frames.feed(data[at : at + chunk])
    return frames


@pytest.mark.parametrize("chunk", [1, 2, 5, 1000])
def test_frames_are_walked_to_their_end(chunk: int) -> None:
    data = frame(b"abc", b"", b"defg") + SKIPPED + frame(b"x" * 500)
    frames = walk(data, chunk)
    assert (frames.whole, frames.cut_off, frames.garbage, frames.without_checksum) == (True, False, False, False)
    whole = {0: False, len(frame(b"abc", b"", b"defg")): True, len(data): True}
    whole[len(frame(b"abc", b"", b"defg") + SKIPPED)] = True
    for length in range(len(data) + 1):
        assert walk(data[:length], chunk).whole == whole.get(length, False), length
        assert walk(data[:length], chunk).cut_off != walk(data[:length], chunk).whole


@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize("garbage", [b"x", b"\x28\xb5\x2f\xfe", b"\x28\xb6", bytes(9)])
def test_garbage_behind_a_frame_is_told_from_a_frame(chunk: int, garbage: bytes) -> None:
    frames = walk(frame(b"abc") + garbage, chunk)
    assert (frames.garbage, frames.whole, frames.cut_off) == (True, False, False)
    assert frames.frame_start == len(frame(b"abc"))


def test_a_frame_without_a_checksum_is_told() -> None:
    assert walk(frame(b"abc") + frame(b"abc", flags=0x20), 1000).without_checksum
    repeated = b"\x28\xb5\x2f\xfd\x20\x03" + ((1000 << 3) | 1 << 1 | 1).to_bytes(3, "little") + b"x"
    assert walk(repeated, 4).whole
