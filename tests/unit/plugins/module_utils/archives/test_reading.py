"""Whole archives: formats told by bytes and names, archives inside archives, required members, limits."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import zipfile
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import formats
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import Damaged, Unread


def words(contents: Any) -> list[tuple[str, str]]:
    return [(problem.member, problem.message) for problem in contents.problems]


@pytest.mark.parametrize(
    ("mode", "name", "found"),
    [
        ("w", "b.tar", "tar"),
        ("w:gz", "b.tar.gz", "tar.gz"),
        ("w:gz", "B.TGZ", "tar.gz"),
        ("w:xz", "b.txz", "tar.xz"),
        ("w:bz2", "b.tar.bz2", "tar.bz2"),
        ("w:gz", "no-ending", "tar.gz"),
        ("w:gz", "dump.gz", "tar.gz"),
    ],
)
def test_the_format_is_told_by_the_bytes(read: Any, tar: Any, mode: str, name: str, found: str, no_threads_left: None) -> None:
    contents = read(tar(mode=mode), name)
    assert (contents.problems, contents.format, contents.members) == ([], found, 3)
    assert contents.checksums == (found != "tar")


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (lambda tar, zipped: zipped(), "b.tar.gz", "is zip, but its name says tar.gz"),
        (lambda tar, zipped: tar(), "b.tar.gz", "is tar, but its name says tar.gz"),
        (lambda tar, zipped: tar(mode="w:gz"), "b.tar.xz", "is tar.gz, but its name says tar.xz"),
        (lambda tar, zipped: tar(mode="w:gz"), "b.zip", "is tar.gz, but its name says zip"),
        (lambda tar, zipped: b"", "b.tar.gz", "is empty, but its name says tar.gz"),
        (lambda tar, zipped: b"<html>not found</html>", "b.tar.gz", "does not begin as an archive does, but its name says tar.gz"),
        (lambda tar, zipped: b"7z\xbc\xaf\x27\x1c" + bytes(99), "b.zip", "is a 7z archive, but its name says zip"),
    ],
)
def test_another_format_than_the_name_says_is_damage(read: Any, tar: Any, zipped: Any, make: Any, name: str, message: str) -> None:
    contents = read(make(tar, zipped), name)
    assert words(contents) == [("", message)]
    assert isinstance(contents.problems[0], Damaged)


@pytest.mark.parametrize(("data", "reason"), [(b"Salted__abc", "openssl"), (b"PGDMP\1", "pg_dump"), (b"hello", "no format")])
def test_what_is_not_known_is_not_called_damaged(read: Any, data: bytes, reason: str) -> None:
    contents = read(data, "backup.bin")
    assert isinstance(contents.problems[0], Unread)
    assert reason in contents.problems[0].message
    assert contents.problems[0].hint


def test_a_compressed_file_that_is_no_archive_is_read(read: Any) -> None:
    data = gzip.compress(b"SELECT 1;\n" * 1000)
    contents = read(data, "dump.sql.gz")
    assert (contents.problems, contents.format, contents.members) == ([], "gz", 1)
    assert words(read(data[:-1], "dump.sql.gz"))[0][1].startswith("is cut off")
    assert "checksum" in words(read(data, "dump.tar.gz"))[0][1], "a name that promises tar is held to it"


def test_an_archive_without_members_has_none(read: Any, tar: Any) -> None:
    contents = read(tar({}, mode="w:gz"), "b.tar.gz")
    assert (contents.problems, contents.members) == ([], 0)


@pytest.mark.parametrize("outer", ["tar", "tar.gz", "zip"])
@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_truncated_archive_inside_a_whole_one_is_found(
    read: Any, tar: Any, zipped: Any, outer: str, size: int, no_threads_left: None
) -> None:
    import random

    inner = tar({"package.json": b"{}", "data": random.Random(1).randbytes(size)}, mode="w:gz")
    files = {"b/application.tar.gz": inner[:-1], "b/config.tar.gz": inner, "b/more.zip": zipped(), "b/last": b"1"}
    data = zipped(files) if outer == "zip" else tar(files, mode={"tar": "w", "tar.gz": "w:gz"}[outer])
    contents = read(data, f"b.{outer}", require=["b/config.tar.gz/package.json", "b/last", "b/more.zip/app/*.json", "no"])
    assert words(contents) == [
        ("b/application.tar.gz", "is cut off: its gzip stream ends before its end marker")
    ]
    assert (contents.inner, contents.members, contents.missing) == (2, 4, ["no"])


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_symbolic_link_is_no_required_member(read: Any, kind: str) -> None:
    buffer = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            link = tarfile.TarInfo("b/config.json")
            link.type, link.linkname = tarfile.SYMTYPE, "/elsewhere"
            archive.addfile(link)
    else:
        entry = zipfile.ZipInfo("b/config.json")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr(entry, "/elsewhere")
    contents = read(buffer.getvalue(), f"b.{kind}", require=["b/*.json"])
    assert (contents.problems, contents.members, contents.missing) == ([], 1, ["b/*.json"])


def test_a_damaged_zip_inside_and_a_wrong_name_inside_are_found(read: Any, tar: Any, zipped: Any) -> None:
    damaged = bytearray(zipped())
    damaged[40] ^= 1
    contents = read(tar({"a.zip": bytes(damaged), "b.tar.gz": zipped(), "c.tar": b"", "d.gz": b"text"}), "")
    assert [member for member, _message in words(contents)] == ["a.zip/app/package.json", "b.tar.gz", "c.tar", "d.gz"]
    assert words(contents)[1][1] == "is zip, but its name says tar.gz"


def test_the_outer_archive_that_ends_in_an_inner_one_is_what_is_cut_off(read: Any, tar: Any) -> None:
    data = tar({"inner.tar.gz": tar({"x": bytes(1_200_000)}, mode="w:gz", compresslevel=0)})
    contents = read(data[: len(data) // 2], "b.tar")
    assert [member for member, _message in words(contents)] == [""]
    assert "its tar archive ends at byte" in words(contents)[0][1]
    assert "after the header of inner.tar.gz" in words(contents)[0][1]


def nest(tar: Any, depth: int) -> bytes:
    data = b"damaged"
    for _layer in range(depth):
        data = tar({"inner.tar.gz": data}, mode="w:gz")
    return data


def test_depth_is_bounded_and_what_is_left_out_is_counted(read: Any, tar: Any) -> None:
    data = nest(tar, 4)
    contents = read(data, "b.tar.gz", depth=2)
    assert (contents.problems, contents.inner, contents.inner_left_out) == ([], 2, 1)
    assert words(read(data, "b.tar.gz", depth=5))[0][0] == "/".join(["inner.tar.gz"] * 4)
    assert read(data, "b.tar.gz", depth=0).inner_left_out == 1


def test_archives_that_are_excluded_are_not_opened(read: Any, tar: Any) -> None:
    files = {"node_modules/tar/test/bad.tgz": b"bad", "./x/node_modules/y/bad.zip": b"bad", "./mine.tgz": b"bad"}
    contents = read(tar(files), "b.tar", exclude=["node_modules/*", "*/node_modules/*"])
    assert ([member for member, _message in words(contents)], contents.inner_left_out) == (["mine.tgz"], 2)


def test_problems_are_counted_and_bounded(read: Any, tar: Any) -> None:
    contents = read(tar({f"{number}.zip": b"bad" for number in range(100)}), "b.tar")
    assert (len(contents.problems), contents.problem_count) == (20, 100)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_too_many_members_end_the_reading(read: Any, tar: Any, mode: str) -> None:
    contents = read(tar({str(number): b"" for number in range(30)}, mode=mode), "", members=29)
    assert "more than 29 members" in words(contents)[0][1]
    assert read(tar({str(number): b"" for number in range(29)}, mode=mode), "", members=29).problems == []


def test_time_ends_the_reading(read: Any, tar: Any, no_threads_left: None) -> None:
    contents = read(tar(mode="w:gz"), "b.tar.gz", seconds=-1)
    assert isinstance(contents.problems[0], Unread)
    assert "time limit" in contents.problems[0].message


def test_without_library_and_program_nothing_can_be_said_of_zstd(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.upkeep.runbook.plugins.module_utils.archives.zstd_pipe.load_library", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    contents = read(b"\x28\xb5\x2f\xfd" + bytes(99), "b.tar.zst")
    assert isinstance(contents.problems[0], Unread)
    assert contents.problems[0].hint == "Install it: apt install zstd"


def test_names_of_archives_are_known_in_any_case() -> None:
    assert formats.has_archive_name(b"x/Backup.TAR.GZ")
    assert not formats.has_archive_name(b"x/backup.tar.gz.sha256")
    assert formats.promised_format("dump.sql.zst") == "zst"
    assert formats.promised_format("comprehensive_backup_20260101_000000.tar.gz") == "tar.gz"


@pytest.mark.parametrize("where", ["outer", "inner"])
def test_a_thread_ends_when_its_reader_stops_early(read: Any, tar: Any, where: str, no_threads_left: None) -> None:
    import random

    noise = {"x": random.Random(2).randbytes(4_000_000)}
    broken = tar(noise)[:600] + b"garbage" * 100 + random.Random(3).randbytes(8_000_000)
    data = gzip.compress(broken, 1)
    started = time.monotonic()
    contents = read(data if where == "outer" else tar({"in.tar.gz": data}), "b.tar.gz" if where == "outer" else "b.tar")
    assert contents.problems
    assert time.monotonic() - started < 30
