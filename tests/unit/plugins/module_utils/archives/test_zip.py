"""Zip archives, whole, damaged, in unusual forms and hostile; Python's zipfile makes them."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread


class Unseekable(io.BytesIO):
    """A pipe, to which zipfile writes sizes behind the contents."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_arguments: Any) -> int:
        raise io.UnsupportedOperation

    def tell(self) -> int:
        raise io.UnsupportedOperation


def words(contents: Any) -> list[str]:
    return [f"{problem.member}: {problem.message}" for problem in contents.problems]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_every_member_is_read(read: Any, zipped: Any, method: int) -> None:
    contents = read(zipped(method=method), "a.zip")
    assert (contents.problems, contents.members, contents.format, contents.gap_bytes) == ([], 3, "zip", 0)
    assert contents.checksums


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("large", [False, True])
def test_sizes_behind_the_contents_are_compared(read: Any, method: int, large: bool) -> None:
    pipe = Unseekable()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for name in ("one", "two"):
            with archive.open(name, "w", force_zip64=large) as member:
                member.write(b"text" * 100)
    data = pipe.getvalue()
    assert read(data, "a.zip").problems == []
    at = data.index(b"PK\x07\x08") + 5
    assert "record behind its contents" in words(read(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "a.zip"))[0]


def test_large_fields_are_read(read: Any, zipped: Any) -> None:
    """A directory in the form for archives beyond 4 GiB, made by hand around small members."""
    data = zipped({"one": b"1"})
    end = data.rindex(b"PK\x05\x06")
    start = data.index(b"PK\x01\x02")
    entry = bytearray(data[start:end])
    entry[20:28] = b"\xff" * 8
    entry[30:32] = (20).to_bytes(2, "little")
    packed = int.from_bytes(data[start + 20 : start + 24], "little")
    entry += struct.pack("<HHQQ", 1, 16, 1, packed)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, len(entry), start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, start + len(entry), 1)
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    whole = data[:start] + bytes(entry) + record + locator + tail
    assert zipfile.ZipFile(io.BytesIO(whole)).namelist() == ["one"]
    assert read(whole, "a.zip").problems == []
    wrong = whole.replace(record, record[:-1] + b"\x01")
    assert isinstance(read(wrong, "a.zip").problems[0], Damaged)


@pytest.mark.parametrize("offset", [2**62, 2**63, 2**64 - 1])
def test_a_member_beyond_the_end_of_any_file_is_damage(read: Any, zipped: Any, offset: int) -> None:
    data = zipped({"one": b"1"})
    start, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entry = bytearray(data[start:end])
    entry[30:32] = (12).to_bytes(2, "little")
    entry[42:46] = b"\xff" * 4
    entry += struct.pack("<HHQ", 1, 8, offset)
    contents = read(data[:start] + bytes(entry) + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(entry), start, 0), "a.zip")
    assert isinstance(contents.problems[0], Damaged)
    assert f"no header of it at byte {offset}" in words(contents)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data + b"x", "after its end"),
        (lambda data: data + b"\0" * 10, "after its end"),
        (lambda data: data[:-1], "directory"),
        (lambda data: data[:30], "directory"),
        (lambda data: data[:100] + data[140:], "directory outside the file"),
        (lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03", 1), "directory of its members"),
        (lambda data: data.replace(b"\x03\0\x03\0", b"\x02\0\x02\0"), "directory of its members"),
        (lambda data: data.replace(b"\x03\0\x03\0", b"\x04\0\x04\0"), "directory of its members"),
    ],
)
def test_a_directory_that_is_not_there_or_wrong_is_found(read: Any, zipped: Any, change: Any, message: str) -> None:
    contents = read(change(zipped()), "a.zip")
    assert isinstance(contents.problems[0], Damaged)
    assert message in words(contents)[0]


def test_a_damaged_member_is_named_and_the_others_are_read(read: Any, zipped: Any) -> None:
    data = bytearray(zipped({"one": b"1" * 99, "two": b"2" * 99, "three": b"3" * 99}, zipfile.ZIP_STORED))
    data[data.index(b"2" * 99)] ^= 1
    contents = read(bytes(data), "a.zip")
    assert words(contents) == ["two: is damaged: its contents do not have the checksum in the directory"]
    assert contents.members == 3


def test_members_that_share_bytes_are_found(read: Any, zipped: Any) -> None:
    data = zipped({"one": b"1" * 50}, zipfile.ZIP_STORED)
    start, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    tail = bytearray(data[end:])
    tail[8:12] = struct.pack("<2H", 2, 2)
    tail[12:16] = struct.pack("<L", 2 * (end - start))
    contents = read(data[:start] + data[start:end] * 2 + bytes(tail), "a.zip")
    assert "share the bytes" in words(contents)[0]


def test_bytes_that_belong_to_nothing_are_counted(read: Any, zipped: Any) -> None:
    contents = read(b"#!/bin/sh\n" + zipped(), "")
    assert contents.problems[0].message.startswith("was not read: it is in no format"), "it begins as no archive"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("one", b"1")
        archive.fp.write(b"a gap")  # type: ignore[union-attr]
        archive.start_dir = archive.fp.tell()  # type: ignore[union-attr, attr-defined]
        archive.writestr("two", b"2")
    contents = read(buffer.getvalue(), "a.zip")
    assert (contents.problems, contents.gap_bytes) == ([], 5)


def test_a_link_that_is_called_like_an_archive_is_none(read: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("latest.tar.gz")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "elsewhere.tar.gz")
    assert read(buffer.getvalue(), "a.zip").problems == []


def test_an_encrypted_member_and_an_unknown_method_are_not_called_damaged(read: Any, zipped: Any) -> None:
    data = zipped({"one": b"1", "two": b"2"}, zipfile.ZIP_STORED)
    for place, value, reason in ((6, b"\1\0", "encrypted"), (8, b"\x63\0", "AES"), (4, b"\x4b\0", "version")):
        changed = bytearray(data)
        at = data.index(b"PK\x03\x04") + place
        changed[at : at + 2] = value
        at = data.index(b"PK\x01\x02") + place + 2
        changed[at : at + 2] = value
        contents = read(bytes(changed), "a.zip")
        assert isinstance(contents.problems[0], Unread)
        assert reason in words(contents)[0]
        assert contents.problem_count == 1, "the other member is whole"


def test_a_part_of_several_files_is_not_read(read: Any, zipped: Any) -> None:
    data = bytearray(zipped())
    data[data.rindex(b"PK\x05\x06") + 4] = 1
    contents = read(bytes(data), "a.zip")
    assert isinstance(contents.problems[0], Unread)


def test_a_bomb_of_one_member_ends_early(read: Any, zipped: Any) -> None:
    contents = read(zipped({"zeros": bytes(300_000_000)}), "a.zip", ratio=10)
    assert "10 times its size" in words(contents)[0]


def test_a_member_that_says_less_than_it_is_ends_there(read: Any, zipped: Any) -> None:
    data = zipped({"zeros": bytes(10_000_000)})
    lie = data.replace((10_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    contents = read(lie, "a.zip")
    assert "do not have the size" in words(contents)[0]
    assert contents.unpacked_bytes < 1_000_000
