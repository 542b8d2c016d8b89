"""A backup beside its manifests: what differs is named, whichever of the three was changed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import pairing
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.inspection import verify_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso
from ansible_collections.upkeep.runbook.plugins.modules.backup_verify import argument_spec
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.backups.written_backups import (
    STARTED,
    Backup,
    application,
    compress,
    file,
    other,
    tar_of,
    write_backup,
)

NOW = from_iso("2026-11-22T12:00:00Z")
DEFAULTS = {name: option.get("default") for name, option in argument_spec().items()}


def verify(path: Path, level: str = "content", **options: Any) -> dict[str, Any]:
    listed = {**DEFAULTS, "return_all": True, "path": str(path), "level": level, **options}
    return verify_backups(listed, now=NOW, read_only=False)


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {check["check"]: check["status"] for check in result["checks"] if check["check"] in ("backup.manifest", "backup.content_hashes")}


def of(manifest: str, hashes: str) -> dict[str, str]:
    return {"backup.manifest": manifest, "backup.content_hashes": hashes}


def text_of(result: dict[str, Any], check: str = "backup.manifest") -> str:
    return str(next(row["summary"] for row in result["checks"] if row["check"] == check))


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.zst"])
@pytest.mark.parametrize("beside", [True, False])
def test_a_whole_backup_fits_its_manifest(tmp_path: Path, kind: str, beside: bool) -> None:
    backup = write_backup(tmp_path, kind)
    if not beside:
        backup.sidecar.unlink()
    result = verify(backup.path)
    row = result["backups"][0]
    assert statuses(result) == of("ok" if beside else "warning", "ok")
    assert ("there is no manifest beside it" in text_of(result)) is not beside
    assert row["differences"] == []
    assert row["manifest"]["compared"] == ("beside" if beside else "inside")
    assert (row["manifest"]["members"], row["manifest"]["torn"], row["members"]) == (10, 1, 11)
    assert (row["created"], row["created_from"], row["level"]) == (STARTED, "manifest", "content")
    assert "no checksum" not in json.dumps(result["checks"])


def replaced(index: int, **keys: Any) -> Any:
    held = application()
    member, data = held[index]
    held[index] = (member._replace(**keys), data)
    return held


def without(index: int) -> Any:
    held = application()
    del held[index]
    return held


def swapped() -> Any:
    held = application()
    held[2], held[4] = held[4], held[2]
    return held


def with_dump_of(size: int) -> Any:
    held = application()
    held[-1] = (held[-1][0]._replace(size=size), held[-1][1][:size])
    return held


DIFFERENT: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "missing": (lambda: without(3), ["lacks files/opt/app/logo.png"]),
    "missing first": (lambda: without(0), ["lacks files/opt/app"]),
    "missing last": (lambda: without(-1), ["lacks dumps/main", "the dump dumps/main of its manifest is not in it"]),
    "additional": (
        lambda: [*application()[:4], file("files/opt/app/new", b"x"), *application()[4:]],
        ["has files/opt/app/new, which its manifest does not list"],
    ),
    "twice": (
        lambda: [*application()[:4], application()[3], *application()[4:]],
        ["has files/opt/app/logo.png, which its manifest does not list"],
    ),
    "other order": (swapped, ["has its members in another order from files/opt/app/"]),
    "mode": (lambda: replaced(3, mode=0o644), ["has files/opt/app/logo.png with mode 0644, not 4755"]),
    "owner": (lambda: replaced(1, uid=0), ["has files/opt/app/package.json owned by 0:33, not 1000:33"]),
    "name of owner": (lambda: replaced(1, user="root"), ["owned by root:www-data, not app:www-data"]),
    "time": (lambda: replaced(1, mtime_ns=1_790_000_001_123_456_789), ["changed at 1790000001 seconds since 1970, not 1790000000"]),
    "target": (lambda: replaced(7, target="/etc/passwd"), ["has files/opt/app/current pointing to /etc/passwd, not /nowhere/x"]),
    "hard link": (lambda: replaced(8, target="files/opt/app/.env"), ["pointing to files/opt/app/.env, not files/opt/app/package.json"]),
    "kind": (lambda: replaced(0, type="symlink", target="/"), ["has files/opt/app as symlink, not directory"]),
    "name": (
        lambda: replaced(1, name="files/opt/app/Package.json"),
        ["lacks files/opt/app/package.json", "has files/opt/app/Package.json, which its manifest does not list"],
    ),
    "short dump": (
        lambda: with_dump_of(1500),
        ["has dumps/main with 1500 bytes, not 2000", "the dump dumps/main has 1500 bytes, and was made with 2000"],
    ),
}


@pytest.mark.parametrize("name", list(DIFFERENT))
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("level", ["manifest", "content"])
def test_what_differs_is_named(tmp_path: Path, name: str, beside: bool, level: str) -> None:
    make, words = DIFFERENT[name]
    whole = application()
    dumps = [{"member": "dumps/main", "bytes": 2000}]
    backup = write_backup(tmp_path, held=make(), listed=whole, dumps=dumps)
    if not beside:
        backup.sidecar.unlink()
    result = verify(backup.path, level)
    found = result["backups"][0]["differences"]
    for text in words:
        assert any(text in difference for difference in found), found
    assert statuses(result)["backup.manifest"] == "critical"
    assert len([text for text in found if "other contents" not in text]) == len(words), found
    assert result["status"] == "critical"


def test_other_contents_of_the_same_size_are_found_by_hashing_them(tmp_path: Path) -> None:
    held = application()
    held[3] = (held[3][0], bytes(len(held[3][1])))
    backup = write_backup(tmp_path, held=held, listed=application())
    result = verify(backup.path)
    assert statuses(result) == of("ok", "critical")
    assert text_of(result, "backup.content_hashes").endswith(": files/opt/app/logo.png has other contents than when it was packed.")
    assert statuses(verify(backup.path, "manifest")) == {"backup.manifest": "ok"}


def test_many_differences_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    held = [file(f"files/{number}", b"%d" % number) for number in range(3000)]
    broken = [(member, data[::-1] if len(data) > 1 else b"x") for member, data in held]
    backup = write_backup(tmp_path, held=broken, listed=[*held, file("files/x", b"")])
    result = verify(backup.path)
    assert len(result["backups"][0]["differences"]) == 21
    assert "lacks files/x" in text_of(result)
    assert "So have" in text_of(result, "backup.content_hashes")


def test_an_archive_of_other_members_altogether_costs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "MAX_WAITING", 50)
    backup = write_backup(
        tmp_path, held=[file(f"files/{number}", b"") for number in range(100)],
        listed=[file(f"files/x{number}", b"") for number in range(100)],
    )
    assert "has other members than its manifest: more than 50 of them" in text_of(verify(backup.path))


def test_what_no_header_of_ours_holds_is_named_too(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, "tar")
    data = bytearray(backup.path.read_bytes())
    data[156:157] = b"6"
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 256 + sum(data[156:512]))
    backup.path.write_bytes(bytes(data))
    assert "has files/opt/app as a pipe, not directory" in text_of(verify(backup.path))


def cut_sidecar(backup: Backup) -> None:
    data = backup.sidecar.read_bytes()
    backup.sidecar.write_bytes(data[: len(data) // 2])


def break_sidecar(backup: Backup) -> None:
    backup.sidecar.write_text("{}\n")


def empty_sidecar(backup: Backup) -> None:
    backup.sidecar.write_text("")


def link_sidecar(backup: Backup) -> None:
    backup.sidecar.rename(backup.sidecar.with_suffix(".away"))
    backup.sidecar.symlink_to(backup.sidecar.with_suffix(".away"))


def pipe_sidecar(backup: Backup) -> None:
    backup.sidecar.unlink()
    os.mkfifo(backup.sidecar)


def sidecar_of_another(backup: Backup) -> None:
    another = write_backup(
        backup.path.parent, name="app_20261121T014356Z", held=[file("files/a", b"1")], backup_id="20261121T014356Z-00000000"
    )
    shutil.copy(another.sidecar, backup.sidecar)


def sidecar_without_archive(backup: Backup) -> None:
    backup.sidecar.write_bytes(backup.sidecar.read_bytes().replace(b'"archive"', b'"archiv3"'))


SIDECARS = {
    "cut off": (cut_sidecar, "the manifest beside it is cut off in line"),
    "no manifest": (break_sidecar, 'the manifest beside it has a first line that does not end in "members": ['),
    "empty": (empty_sidecar, "the manifest beside it is empty"),
    "a link": (link_sidecar, "the manifest beside it is a symbolic link"),
    "a pipe": (pipe_sidecar, "the manifest beside it is no file"),
    "of another": (
        sidecar_of_another,
        "the manifest beside it is that of another backup: it belongs to app_20261121T014356Z.tar.gz (20261121T014356Z-00000000),"
        " and the one inside says 20261122T014356Z-0a1b2c3d",
    ),
    "of no archive": (sidecar_without_archive, "the manifest beside it does not say which archive it belongs to"),
}


@pytest.mark.parametrize("name", list(SIDECARS))
def test_a_wrong_manifest_beside_a_whole_archive_is_said_to_be_that(tmp_path: Path, name: str) -> None:
    change, words = SIDECARS[name]
    backup = write_backup(tmp_path)
    change(backup)
    result = verify(backup.path)
    assert statuses(result) == of("critical", "ok"), "the archive itself fits the manifest inside it"
    assert words in text_of(result)
    row = next(row for row in result["checks"] if row["check"] == "backup.manifest")
    assert "The archive fits the manifest inside it" in row["hint"]
    assert result["backups"][0]["manifest"]["compared"] == "inside"
    assert result["backups"][0]["created_from"] != "manifest"


INSIDE = {
    "missing": (lambda _data: None, "it has no manifest inside"),
    "cut off": (lambda data: data[: len(data) // 2], "the manifest inside and the one beside it say different things"),
    "invalid": (lambda _data: b"{]", 'the manifest inside is cut off in its first line'),
    "another header": (lambda data: data.replace(b"web1", b"web2"), "say different things"),
}


@pytest.mark.parametrize("name", list(INSIDE))
def test_a_wrong_manifest_inside_is_found_by_the_one_beside(tmp_path: Path, name: str) -> None:
    change, words = INSIDE[name]
    backup = write_backup(tmp_path, inside=change)
    result = verify(backup.path)
    assert statuses(result) == of("critical", "ok")
    assert words in text_of(result)


def test_without_any_whole_manifest_nobody_can_tell(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, inside=lambda data: data[:-20])
    backup.sidecar.unlink()
    result = verify(backup.path)
    assert statuses(result) == of("critical", "unknown")
    assert "the manifest inside is cut off in line 11" in text_of(result)


def test_a_manifest_of_a_later_version_is_unknown(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, inside=lambda data: data.replace(b'"schema": 1', b'"schema": 2'))
    backup.sidecar.unlink()
    result = verify(backup.path)
    assert statuses(result) == of("unknown", "unknown")
    assert "written by a later version (schema 2)" in text_of(result)


@pytest.mark.parametrize(
    ("policy", "expected", "level"),
    [("required", of("critical", "unknown"), "readable"), ("optional", of("ok", "ok"), "readable"), ("none", {}, "content")],
)
def test_an_archive_of_another_program_has_no_manifest(tmp_path: Path, policy: str, expected: dict[str, str], level: str) -> None:
    path = tmp_path / "other.tar.gz"
    # A web application has a manifest.json of its own.
    path.write_bytes(compress("tar.gz", tar_of([file("manifest.json", b'{"name": "app"}'), file("b", b"2")], None)))
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))  # its age is counted to NOW, whenever the test runs
    result = verify(path, manifest=policy, max_age_hours=0)
    assert statuses(result) == expected
    row = result["backups"][0]
    assert (row["status"], row["manifest"]) == ("critical" if policy == "required" else "ok", None)
    if policy == "optional":
        assert "has no manifest and was verified at the level readable" in text_of(result)
        assert row["level"] == "readable"


def test_a_wrong_manifest_is_no_missing_one(tmp_path: Path) -> None:
    backup = write_backup(tmp_path, inside=lambda data: data[:-20])
    backup.sidecar.unlink()
    assert statuses(verify(backup.path, manifest="optional"))["backup.manifest"] == "critical"


def test_bytes_that_no_member_has_are_found_by_the_checksum_of_the_archive(tmp_path: Path) -> None:
    """Padding of a plain tar archive, and zeros behind a compressed one."""
    backup = write_backup(tmp_path, "tar")
    data = bytearray(backup.path.read_bytes())
    at = data.index(b'"version": "1.0.0"}\n') + 100
    assert data[at] == 0
    data[at] = 1
    backup.path.write_bytes(bytes(data))
    result = verify(backup.path)
    assert statuses(result) == of("ok", "critical")
    assert "the archive itself has other bytes than its manifest says" in text_of(result, "backup.content_hashes")
    backup = write_backup(tmp_path)
    with backup.path.open("ab") as stream:
        stream.write(bytes(100))
    size = backup.path.stat().st_size
    for level in ("manifest", "content"):
        assert f"it has {size} bytes, and its manifest says {size - 100}" in text_of(verify(backup.path, level))


def test_a_damaged_archive_is_not_compared_to_its_end(tmp_path: Path) -> None:
    backup = write_backup(tmp_path)
    backup.path.write_bytes(backup.path.read_bytes()[:-100])
    os.utime(backup.path, (1_790_000_000,) * 2)
    result = verify(backup.path)
    assert result["status"] == "critical"
    assert statuses(result) == of("unknown", "unknown")


def test_a_renamed_pair_still_fits(tmp_path: Path) -> None:
    backup = write_backup(tmp_path)
    backup.path.rename(tmp_path / "kept.tar.gz")
    backup.sidecar.rename(tmp_path / "kept.tar.gz.manifest.json")
    assert statuses(verify(tmp_path / "kept.tar.gz")) == of("ok", "ok")


def test_an_archive_inside_is_hashed_and_opened(tmp_path: Path) -> None:
    inner = compress("tar.gz", tar_of([file("a", b"x" * 3_000_000), other("b", "directory")], None))
    held = [file("files/a.tar.gz", inner), file("files/b.tar.gz", inner[:-50]), file("files/c.txt", b"")]
    backup = write_backup(tmp_path, held=held)
    result = verify(backup.path)
    assert statuses(result) == of("ok", "ok"), "it is what was packed, and was damaged before"
    readable = next(row for row in result["checks"] if row["check"] == "backup.readable")
    assert "files/b.tar.gz inside it is cut off" in readable["summary"]
    assert result["backups"][0]["archives_inside"] == 1


def test_the_manifest_beside_an_archive_is_no_backup(tmp_path: Path) -> None:
    write_backup(tmp_path)
    options = {**DEFAULTS, "return_all": True, "directory": str(tmp_path), "pattern": ["app_*"], "newest": 10}
    result = verify_backups(options, now=NOW, read_only=True)
    assert [row["path"] for row in result["backups"]] == [str(tmp_path / "app_20261122T014356Z.tar.gz")]


def test_a_hostile_name_is_shown_printable_and_short(tmp_path: Path) -> None:
    evil = "files/\x1b[2J" + "x" * 5000 + "\udcff"
    backup = write_backup(tmp_path, held=[file(evil, b"")], listed=[])
    shown = verify(backup.path)["backups"][0]["differences"][0]
    assert "\x1b" not in shown
    assert len(shown) < 300
    assert shown.isprintable()


def test_the_fields_of_the_result_of_a_comparison_are_bounded() -> None:
    found = pairing.Differences()
    for number in range(1000):
        found.add_member(f"lacks {number}")
        found.add_contents(f"{number}")
    assert (found.member_count, found.content_count, len(found.members), len(found.contents)) == (1000, 1000, 20, 20)
    assert dataclasses.asdict(found)


@pytest.fixture(params=["igzip", "zlib"])
def unpacker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Unpack gzip with the program igzip, or without it."""
    name = str(request.param)
    if name == "zlib":
        monkeypatch.setattr("ansible_collections.upkeep.runbook.plugins.module_utils.archives.reading.igzip_program", lambda: None)
    else:
        assert shutil.which("igzip"), "igzip is missing: install the package isal"
    return name


GZIP_DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda data: data[:-100], "is cut off: its gzip stream ends before its end marker"),
    "cut in its end": (lambda data: data[:-3], "is cut off: its gzip stream ends before its end marker"),
    "wrong checksum": (lambda data: data[:-6] + bytes([data[-6] ^ 1]) + data[-5:], "(incorrect data check)"),
    "something behind": (lambda data: data + b"behind", "has bytes that are no part of it after its end"),
    "zeros behind": (lambda data: data + bytes(700), "bytes, and its manifest says"),
    "no gzip": (lambda data: b"\x1f\x8b" + data[5:], "is damaged: its gzip stream is wrong"),
}


@pytest.mark.parametrize("name", list(GZIP_DAMAGE))
def test_what_unpacks_gzip_changes_no_word(tmp_path: Path, unpacker: str, name: str) -> None:
    change, words = GZIP_DAMAGE[name]
    backup = write_backup(tmp_path)
    assert verify(backup.path)["status"] == "ok"
    backup.path.write_bytes(change(backup.path.read_bytes()))
    os.utime(backup.path, (1_790_000_000,) * 2)
    result = verify(backup.path)
    assert result["status"] == "critical", unpacker
    assert words in json.dumps(result["checks"]), unpacker


def test_igzip_that_gives_up_on_a_whole_archive_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "igzip"
    program.write_text("#!/bin/sh\ncat >/dev/null\necho broken >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr("ansible_collections.upkeep.runbook.plugins.module_utils.archives.reading.igzip_program", lambda: str(program))
    assert verify(write_backup(tmp_path).path)["status"] == "ok"
