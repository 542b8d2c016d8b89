"""Backups with a manifest: whatever byte changes, of the archive, of the manifest beside it or of both, is reported.

FAULT_RUNS says how many damaged copies there are: 20 of each of three formats and 15 of a manifest for each of them; 1000 of a
format are FAULT_RUNS=50.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.inspection import verify_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import ManifestWriter, Member
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso
from ansible_collections.upkeep.runbook.plugins.modules.backup_verify import argument_spec
from ansible_collections.upkeep.runbook.tests.faults.damaged_archives import UNPACK
from ansible_collections.upkeep.runbook.tests.faults.verify_process import run_module, status_of
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.backups.written_backups import (
    HEADER,
    Backup,
    application,
    compress,
    file,
    tar_of,
    write_backup,
)

NOW = from_iso("2026-11-22T12:00:00Z")
DEFAULTS = {name: option.get("default") for name, option in argument_spec().items()}
KINDS = ["tar.zst", "tar.gz", "tar"]
COPIES, MANIFEST_COPIES = 20, 15
#: Long ago: nobody writes to it any more, so that nobody has to wait and see.
LONG_AGO = (1_790_000_000,) * 2


def verify(path: Path, level: str = "content", **options: Any) -> dict[str, Any]:
    os.utime(path, LONG_AGO)
    return verify_backups({**DEFAULTS, "return_all": True, "path": str(path), "level": level, **options}, now=NOW, read_only=True)


def damaged(data: bytes, count: int, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield what was done and the damaged copy: a bit, a byte, a cut, a lost sector, some bytes more or fewer in the middle."""
    for number in range(count):
        at = chance.randrange(len(data))
        kind = number % 6
        byte = bytes([data[at] ^ chance.randrange(1, 256)])
        copy, what = {
            0: (data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :], "bit"),
            1: (data[:at] + byte + data[at + 1 :], "byte"),
            2: (data[:at], "cut"),
            3: (data[: at // 512 * 512] + bytes(512) + data[at // 512 * 512 + 512 :], "sector"),
            4: (data[:at] + byte + data[at:], "one byte more"),
            5: (data[:at] + data[at + 1 :], "one byte fewer"),
        }[kind]
        if copy != data:
            yield f"{what} at byte {at} of {len(data)}", copy


def assert_reported(result: dict[str, Any], what: str) -> None:
    """A damaged copy has a critical row with a summary that says more than that."""
    rows = [row for row in result["checks"] if row["status"] == "critical"]
    assert rows, f"{what}: {[row['summary'] for row in result['checks']]}"
    assert all(len(row["summary"]) > 40 for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_every_damaged_copy_of_an_archive_is_reported(tmp_path: Path, kind: str, fault_runs: int, chance: random.Random) -> None:
    backup = write_backup(tmp_path, kind, application(20_000))
    whole = backup.path.read_bytes()
    assert verify(backup.path)["status"] == "ok"
    for what, copy in damaged(whole, COPIES * fault_runs, chance):
        backup.path.write_bytes(copy)
        assert_reported(verify(backup.path), what)
    backup.path.write_bytes(whole)
    assert verify(backup.path)["status"] == "ok"


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_manifest_beside_a_damaged_archive_hides_no_damage_of_members(
    tmp_path: Path, kind: str, fault_runs: int, chance: random.Random
) -> None:
    """Only what no member has may pass then: padding, and unused bytes of headers of tar and of gzip and zstd."""
    held = application(20_000)
    backup = write_backup(tmp_path, kind, held)
    backup.sidecar.unlink()
    whole = backup.path.read_bytes()
    for what, copy in damaged(whole, COPIES * fault_runs, chance):
        backup.path.write_bytes(copy)
        result = verify(backup.path)
        if result["status"] != "critical":
            assert unpacked(backup.path) == [(member.name, data) for member, data in held], what


def unpacked(path: Path) -> list[tuple[str, bytes]]:
    """Return names and contents as tar programs read them; those of a hard link are none."""
    data = UNPACK[path.name.partition(".")[2]](path.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [
            (member.name, archive.extractfile(member).read() if member.isreg() else b"")  # type: ignore[union-attr]
            for member in archive if member.name != "manifest.json"
        ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_at_every_64_kib_is_reported(tmp_path: Path, kind: str) -> None:
    backup = write_backup(tmp_path, kind, [file("files/noise", random.Random(3).randbytes(1_500_000))])
    whole = backup.path.read_bytes()
    for length in range(0, len(whole), 65536):
        backup.path.write_bytes(whole[:length])
        result = verify(backup.path)
        assert status_of(result, "backup.readable") == "critical", length
        assert length == 0 or "is cut off" in json.dumps(result["checks"]), length


def said(manifest: bytes) -> Any:
    """Return what a manifest says, but for the name of the archive: both may be renamed together."""
    document = json.loads(manifest)
    document["archive"]["name"] = ""
    return document


def test_every_damaged_copy_of_the_manifest_beside_is_reported(tmp_path: Path, fault_runs: int, chance: random.Random) -> None:
    backup = write_backup(tmp_path)
    whole = backup.sidecar.read_bytes()
    for what, copy in damaged(whole, MANIFEST_COPIES * fault_runs, chance):
        backup.sidecar.write_bytes(copy)
        result = verify(backup.path)
        assert result["status"] != "ok" or said(copy) == said(whole), what
        assert status_of(result, "backup.readable") == "ok"


def known_twice(members: bytes) -> list[dict[str, Any]]:
    """Return what the lines of a manifest say that the headers of an archive say, too."""
    found = json.loads(b'{"members":[' + members)["members"]
    return [{**one, "mtime_ns": one["mtime_ns"] // 10**9, "source": "", "torn": ""} for one in found]


def test_a_damaged_manifest_inside_an_archive_without_one_beside_is_reported(
    tmp_path: Path, fault_runs: int, chance: random.Random
) -> None:
    for number in range(MANIFEST_COPIES * fault_runs):
        backup = write_backup(tmp_path, "tar", name=f"app_{number}")
        members = backup.sidecar.read_bytes().split(b"\n", 1)[1]
        backup.sidecar.unlink()
        data = backup.path.read_bytes()
        start = data.index(members)
        at = start + chance.randrange(len(members) - 1)
        backup.path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        result = verify(backup.path)
        found = [row for row in result["checks"] if row["status"] == "critical"]
        if not found:
            # What only the manifest knows has no counterpart; and JSON spells some letters in two ways.
            assert known_twice(members) == known_twice(backup.path.read_bytes()[start : start + len(members)])
        backup.path.unlink()


def test_an_archive_inside_that_was_cut_off_is_named(tmp_path: Path, fault_runs: int, chance: random.Random) -> None:
    """Before it was packed: it is what the manifest says. Afterwards: it is not."""
    inner = compress("tar.gz", tar_of(application(50_000), None))
    for _number in range(fault_runs):
        cut = inner[: chance.randrange(1, len(inner))]
        backup = write_backup(tmp_path, held=[file("files/app.tar.gz", cut)])
        result = verify(backup.path)
        assert "files/app.tar.gz inside it is cut off" in json.dumps(result["checks"])
        assert (status_of(result, "backup.readable"), status_of(result, "backup.content_hashes")) == ("critical", "ok")
        backup = write_backup(tmp_path, held=[file("files/app.tar.gz", cut)], listed=[file("files/app.tar.gz", inner)])
        found = verify(backup.path)["backups"][0]["differences"]
        assert f"has files/app.tar.gz with {len(cut)} bytes, not {len(inner)}" in found


def test_manifests_that_changed_places_are_told_apart(tmp_path: Path) -> None:
    """Two backups of the same tree differ in little more than their id."""
    first = write_backup(tmp_path, name="app_1")
    second = write_backup(tmp_path, name="app_2", backup_id="20261123T014356Z-ffffffff")
    shutil.move(first.sidecar, tmp_path / "aside")
    shutil.move(second.sidecar, first.sidecar)
    shutil.move(tmp_path / "aside", second.sidecar)
    for backup, other_name in ((first, "app_2.tar.gz"), (second, "app_1.tar.gz")):
        result = verify(backup.path)
        assert f"is that of another backup: it belongs to {other_name}" in json.dumps(result["checks"])
        assert (status_of(result, "backup.manifest"), status_of(result, "backup.content_hashes")) == ("critical", "ok")


def many_members(directory: Path, count: int) -> Backup:
    """Write a backup of empty files."""
    writer = ManifestWriter()
    path = directory / "many.tar"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        template = tarfile.TarInfo("files/000000")
        template.mtime, template.uname, template.gname = 1_790_000_000, "app", "app"
        block = template.tobuf(tarfile.USTAR_FORMAT)
        for number in range(count):
            name = b"files/%06d" % number
            data = name + block[12:148] + b" " * 8 + block[156:]
            assert archive.fileobj is not None
            archive.fileobj.write(data[:148] + b"%06o\0 " % sum(data) + data[156:])
            writer.add(Member(name.decode(), "file", 0, empty, "", 0o644, 0, 0, "app", "app", 1_790_000_000_000_000_001, "app"))
        archive.offset = archive.fileobj.tell()  # type: ignore[union-attr]
        manifest = b"".join(writer.chunks(HEADER))
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        archive.addfile(info, io.BytesIO(manifest))
    return Backup(path, Path(f"{path}.manifest.json"))


def test_memory_stays_small_with_many_members_and_hostile_manifests(tmp_path: Path) -> None:
    backup = many_members(tmp_path, 60_000)
    options = {"path": str(backup.path), "level": "content", "max_age_hours": 0}
    result, memory = run_module(**options)
    assert (result["status"], memory < 128) == ("warning", True), (result["checks"], memory)
    archive = {"name": "many.tar", "bytes": backup.path.stat().st_size, "sha256": "0" * 64}
    writer = ManifestWriter()
    for number in range(60_000):
        writer.add(Member(f"other/{number}", "directory"))
    hostile = {
        "other members": b"".join(writer.chunks({**HEADER, "archive": archive})),
        "one long line": b"x" * 50_000_000,
        "deep": b"[" * 3_000_000 + b"\n",
        "many lines": b"\n" * 5_000_000,
    }
    for what, data in hostile.items():
        backup.sidecar.write_bytes(data)
        result, memory = run_module(**options)
        assert (result["status"], memory < 128) == ("critical", True), (what, memory)
