"""Backups that are damaged, cut off, hostile or still being written: everything that changes a member is found.

Python's own readers say for each damaged copy whether its members are still those of the whole one. FAULT_RUNS says how many
copies there are: 150 flipped bits, 40 truncations and 20 lost sectors of each format for each of them.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import random
import subprocess
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.contents import Contents
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.reading import read_archive
from ansible_collections.upkeep.runbook.tests.faults.damaged_archives import (
    FORMATS,
    Members,
    application,
    archive_of,
    header_blocks,
    manual_backup,
    members_of,
)
from ansible_collections.upkeep.runbook.tests.faults.verify_process import run_module, status_of

FLIPS, CUTS, LOST_SECTORS = 150, 40, 20
STAMP = "20261122_020000"


def read(data: bytes, name: str) -> Contents:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return read_archive(file.fileno(), name, Limits(time.monotonic() + 120))


def damaged_copies(data: bytes, runs: int, chance: random.Random) -> Iterator[tuple[str, int, bytes]]:
    """Yield what was done, at which byte, and the damaged copy."""
    for _number in range(FLIPS * runs):
        bit = chance.randrange(len(data) * 8)
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield "bit", bit // 8, bytes(flipped)
    for _number in range(CUTS * runs):
        length = chance.randrange(len(data))
        yield "cut", length, data[:length]
    for _number in range(LOST_SECTORS * runs):
        at = chance.randrange(len(data) // 512 + 1) * 512
        yield "sector", at, data[:at] + bytes(len(data[at : at + 512])) + data[at + 512 :]


def unharmed(kind: str, copy: bytes, whole: Members, *, contents: bool = True) -> bool:
    """Tell whether an independent reader finds in the copy what is in the whole archive."""
    try:
        return members_of(kind, copy, contents=contents) == whole
    except Exception:  # whatever it raises, it cannot read it
        return False


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "tar"])
def test_every_change_of_a_member_is_found(kind: str, fault_runs: int, chance: random.Random) -> None:
    data = archive_of(kind, application())
    whole = members_of(kind, data)
    assert read(data, f"b.{kind}").problems == []
    counts = {"found": 0, "harmless": 0, "structure": 0}
    for what, at, copy in damaged_copies(data, fault_runs, chance):
        if copy == data:
            continue
        found = bool(read(copy, f"b.{kind}").problems)
        same = unharmed(kind, copy, whole)
        assert found or same, f"{what} at byte {at} of {len(data)} is not found and changes the members"
        counts["harmless" if not found else "structure" if same else "found"] += 1
    print(f"{kind}: {counts}")
    # Names and times in the header of gzip, the last bits of bzip2, attributes in the directory of zip.
    assert counts["found"] > 10 * counts["harmless"]
    if kind != "zip":
        # zipfile does not compare what the two headers of a member say; of the others nothing is found that is not there.
        assert counts["structure"] <= counts["found"] / 50


def test_every_change_of_a_header_of_a_plain_tar_is_found(fault_runs: int, chance: random.Random) -> None:
    data = archive_of("tar", application())
    whole = members_of("tar", data, contents=False)
    headers = header_blocks(data)
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512 + 1024
    contents = read(data, "b.tar")
    assert (contents.problems, contents.checksums) == ([], False), "the result says that contents are not protected"
    found_in_headers = 0
    for what, at, copy in damaged_copies(data, fault_runs * 2, chance):
        if copy == data:
            continue
        found = bool(read(copy, "b.tar").problems)
        if what == "cut":
            assert found or at >= end, f"cut at byte {at}"
        elif what == "sector" and at == max(headers):
            pass  # zeros in place of a last member without contents are the end marker of an archive without it
        elif at // 512 * 512 in headers:
            assert found or unharmed("tar", copy, whole, contents=False), f"{what} at byte {at}"
            found_in_headers += found
    assert found_in_headers > 10


def test_a_damaged_archive_inside_the_manuals_own_backup_is_found(tmp_path: Path, fault_runs: int, chance: random.Random) -> None:
    """The outer archive is whole each time: `tar -t` of it, which the manual calls verification, passes."""
    options = {"directory": str(tmp_path), "pattern": "comprehensive_backup_*.tar.gz", "max_age_hours": 0}
    require = ["*/application.tar.gz/package.json", "*/config.tar.gz/nginx.conf", "*/metadata.json"]
    path = manual_backup(tmp_path, STAMP)
    result, memory = run_module(**options, require=require)
    assert (result["status"], result["backups"][0]["archives_inside"]) == ("ok", 2)
    assert (result["backups"][0]["created_from"], memory < 64) == ("name", True)
    path.unlink()

    def cut(data: bytes) -> bytes:
        return data[: chance.randrange(1, len(data))]

    def flip(data: bytes) -> bytes:
        at = chance.randrange(10, len(data))
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]

    for number in range(fault_runs * 10):
        path = manual_backup(tmp_path, STAMP, inner=cut if number % 2 else flip)
        assert subprocess.run(["tar", "-tzf", path], stdout=subprocess.DEVNULL, check=False).returncode == 0
        contents = read(path.read_bytes(), path.name)
        assert [problem.member for problem in contents.problems] == [f"backup_{STAMP}/application.tar.gz"]
        path.unlink()
    path = manual_backup(tmp_path, STAMP, inner=cut)
    result, _memory = run_module(**options, require=require)
    assert status_of(result, "backup.readable") == "critical"
    assert result["status"] == "critical"


def test_a_backup_that_is_being_written_is_not_called_damaged(tmp_path: Path) -> None:
    data = archive_of("tar.gz", application(3_000_000))
    path = tmp_path / "backup.tar.gz"
    path.write_bytes(data[:1_000_000])
    done = threading.Event()

    def write() -> None:
        with path.open("ab") as file:
            for at in range(1_000_000, len(data), 2_000):
                file.write(data[at : at + 2_000])
                file.flush()
                if done.wait(0.02):
                    return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        result, _memory = run_module(path=str(path))
    finally:
        done.set()
        writer.join()
    assert status_of(result, "backup.readable") == "unknown"
    assert "written to while it was read" in json.dumps(result)


def bomb_of_zeros() -> bytes:
    packer = lzma.LZMACompressor(preset=1)
    return b"".join([*(packer.compress(bytes(2**20)) for _number in range(280)), packer.flush()])


def many_members(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as archive:
            for number in range(30_000):
                archive.writestr(f"{number}", b"")
        return buffer.getvalue()
    member = tarfile.TarInfo("empty").tobuf()
    return gzip.compress(member * 100_000 + bytes(1024), 1)


HOSTILE = {
    "a bomb of zeros.xz": (bomb_of_zeros, "unknown"),
    "many members.tar.gz": (lambda: many_members("tar"), "ok"),
    "many members.zip": (lambda: many_members("zip"), "ok"),
    "a large dictionary.tar.xz": (lambda: lzma.compress(archive_of("tar", application(200_000)), preset=9), "unknown"),
    "a huge name.tar": (lambda: tarfile.TarInfo("x" * 900_000).tobuf(tarfile.GNU_FORMAT) + bytes(1024), "ok"),
    "a bomb of bombs.tar.gz": (lambda: gzip.compress(gzip.compress(gzip.compress(bytes(400_000_000), 1))), "critical"),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_memory_stays_small_whatever_the_archive(tmp_path: Path, name: str) -> None:
    make, expected = HOSTILE[name]
    path = tmp_path / name
    path.write_bytes(make())
    result, memory = run_module(path=str(path))
    assert status_of(result, "backup.readable") == expected, result["checks"]
    assert memory < 64, f"{memory:.0f} MiB"


def test_what_zstd_packed_with_a_large_window_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "backup.tar.zst"
    plain = archive_of("tar", application(40_000_000))
    packed = subprocess.run(["zstd", "-q", "-1", "--long=27", "-c"], input=plain, stdout=subprocess.PIPE, check=True)
    path.write_bytes(packed.stdout)
    result, memory = run_module(path=str(path))
    assert status_of(result, "backup.readable") == "unknown"
    assert "max_decoder_bytes" in json.dumps(result)
    assert memory < 64
    result, _memory = run_module(path=str(path), max_decoder_bytes=256 * 2**20)
    assert status_of(result, "backup.readable") == "ok"


def test_zstd_without_checksums_is_said_to_have_none(tmp_path: Path) -> None:
    path = tmp_path / "backup.tar.zst"
    for option, protected in (("--no-check", False), ("--check", True)):
        packed = subprocess.run(
            ["zstd", "-q", option, "-c"], input=archive_of("tar", application()), stdout=subprocess.PIPE, check=True
        )
        path.write_bytes(packed.stdout)
        result, _memory = run_module(path=str(path))
        assert result["backups"][0]["content_checksums"] is protected
        assert ("no checksum" in json.dumps(result["checks"])) is not protected


@pytest.mark.parametrize("options", [[], ["--format=gnu", "--sparse"], ["--format=posix", "--sparse"], ["--format=v7"]])
def test_what_tar_itself_wrote_is_whole(tmp_path: Path, options: list[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "small").write_text("x")
    with (source / "sparse").open("wb") as file:
        for at in range(0, 50_000_000, 700_000):
            file.seek(at)
            file.write(b"data")
    (source / "link").symlink_to("small")
    os.link(source / "small", source / "hard")
    if "--format=v7" not in options:
        os.mkfifo(source / "pipe")
    path = tmp_path / "backup.tar"
    subprocess.run(["tar", *options, "-cf", path, "-C", tmp_path, "source"], check=True)
    assert read(path.read_bytes(), path.name).problems == []
    assert read(path.read_bytes()[:-10_240], path.name).problems or "--sparse" in options


@pytest.mark.parametrize("size", [3_000, 3_000_000])
@pytest.mark.parametrize("outer", ["tar", "tar.gz", "tar.zst", "zip"])
def test_what_follows_a_damaged_archive_inside_is_read_from_its_place(
    outer: str, size: int, fault_runs: int, chance: random.Random
) -> None:
    """An inner zstd archive is read by a program and two threads; none of them may take bytes of what comes next."""
    inner = archive_of("tar.zst", application(size))
    for _number in range(fault_runs * 2):
        broken = bytearray(inner)
        broken[chance.randrange(len(inner))] ^= 0x10
        files = {"a.tar.zst": bytes(broken), "b.tar.zst": inner, "c.tar.zst": inner[: chance.randrange(len(inner))], "d": b"last"}
        contents = read(archive_of(outer, files), f"b.{outer}")
        assert {problem.member.split("/")[0] for problem in contents.problems} - {"a.tar.zst"} == {"c.tar.zst"}
        assert contents.members == (4 if outer == "zip" else 7)
    assert threading.active_count() == 1
