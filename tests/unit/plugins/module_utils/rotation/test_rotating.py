"""Rotations of real files: what is kept of a log, what is refused, what goes, and that check mode touches nothing."""

from __future__ import annotations

import gzip
import os
import socket
import stat
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation import finishing, moving, packing

from .conftest import NOW, Rotate

Tree = Callable[[], "dict[str, Any]"]


def names(logs: Path) -> list[str]:
    return sorted(path.name for path in logs.iterdir())


def only_check(answer: dict[str, Any]) -> dict[str, Any]:
    assert len(answer["checks"]) == 1, answer
    return answer["checks"][0]


def archive_of(answer: dict[str, Any]) -> Path:
    assert len(answer["rotated"]) == 1, answer
    return Path(answer["rotated"][0]["archive"])


def test_a_log_becomes_a_packed_archive_and_an_empty_log(logs: Path, rotate: Rotate) -> None:
    log = logs / "app.log"
    log.write_bytes(b"a line\n" * 1000)
    log.chmod(0o640)
    os.utime(log, (1_700_000_000, 1_700_000_000))
    answer = rotate()
    archive = archive_of(answer)
    assert archive.name.startswith("app.log-20261122T050000Z-1e240") and archive.suffix == ".gz"
    assert gzip.decompress(archive.read_bytes()) == b"a line\n" * 1000
    assert (stat.S_IMODE(archive.stat().st_mode), int(archive.stat().st_mtime)) == (0o640, 1_700_000_000)
    assert (stat.S_IMODE(log.stat().st_mode), log.read_bytes()) == (0o640, b"")
    assert names(logs) == ["app.log", archive.name]
    row = answer["rotated"][0]
    assert (row["bytes"], row["compressed_bytes"]) == (7000, archive.stat().st_size)
    assert answer["bytes_freed"] == 7000 - archive.stat().st_size
    assert answer["changed"] and answer["status"] == "ok"


def test_twice_a_day_changes_nothing_and_the_next_day_rotates(logs: Path, rotate: Rotate, tree: Tree) -> None:
    log = logs / "app.log"
    log.write_text("first\n")
    rotate()
    log.write_text("second\n")
    before = tree()
    again = rotate(now=NOW + timedelta(hours=19))
    assert not again["changed"] and again["status"] == "ok" and "is due 20 hours after that" in only_check(again)["summary"]
    assert {path: found for path, found in tree().items() if "state" not in path} == {
        path: found for path, found in before.items() if "state" not in path
    }
    assert rotate(now=NOW + timedelta(hours=20))["changed"]
    assert len(names(logs)) == 3


def test_check_mode_says_the_same_and_touches_nothing(logs: Path, rotate: Rotate, tree: Tree) -> None:
    (logs / "app.log").write_text("line\n" * 100)
    (logs / "link.log").symlink_to("app.log")
    for day in range(5):
        (logs / f"app.log-2026111{day}T050000Z-00000000.gz").write_bytes(gzip.compress(b"old"))
    (logs / "app.log-20261121T050000Z-00000000").write_text("left by a run that was killed\n")
    before = tree()
    said = rotate(check_mode=True, keep=3, min_age_hours=0)
    assert tree() == before, "nothing was written, not even a lock"
    done = rotate(keep=3, min_age_hours=0)
    for key in ("changed", "status"):
        assert said[key] == done[key]
    assert [row["archive"] for row in said["removed"]] == [row["archive"] for row in done["removed"]]
    assert len(done["removed"]) == 4  # of six, the new one and the two newest stay
    assert [row["path"] for row in said["rotated"]] == [row["path"] for row in done["rotated"]]
    assert [row["archive"] for row in said["completed"]] == [row["archive"] for row in done["completed"]]
    statuses = [[(row["check"], row["subject"], row["status"]) for row in answer["checks"]] for answer in (said, done)]
    assert statuses[0] == statuses[1]
    assert said["diff"]["before"].count("\n") == done["diff"]["before"].count("\n") == 6


def refused(path: Path, kind: str) -> None:
    """Make something that is no log of its own."""
    target = path.parent.parent / "target"
    target.write_text("precious\n")
    if kind == "link":
        path.symlink_to(target)
    elif kind == "hard link":
        os.link(target, path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    else:
        path.write_text("line\n")
        path.parent.chmod(0o777 if kind == "open folder" else 0o775)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("link", "it is a link"),
        ("hard link", "it has 2 names (hard links)"),
        ("pipe", "it is a named pipe"),
        ("directory", "it is a directory"),
        ("socket", "it is a socket"),
        ("open folder", "its folder may be written by others than its owner (mode 0777)"),
        ("folder of a group", "its folder may be written by others than its owner (mode 0775)"),
    ],
)
@pytest.mark.parametrize("method", ["rename", "copytruncate"])
def test_what_is_refused_is_not_touched(
    logs: Path, rotate: Rotate, tree: Tree, kind: str, said: str, method: str
) -> None:
    refused(logs / "app.log", kind)
    before = tree()
    answer = rotate(paths=[str(logs / "app.log")], method=method)
    row = only_check(answer)
    assert row["status"] == "warning" and said in row["summary"] and row["hint"], row
    assert not answer["changed"] and answer["totals"]["refused"] == 1
    assert {path: found for path, found in tree().items() if "state" not in path} == before


def test_a_path_that_means_nothing_is_unknown(logs: Path, rotate: Rotate) -> None:
    answer = rotate(paths=[str(logs / "*.log"), str(logs / "app.log"), "/nowhere/app.log"])
    assert [(row["status"], row["summary"].split(" ", 1)[1]) for row in answer["checks"]] == [
        ("unknown", "does not exist."), ("unknown", "does not exist."), ("unknown", "matches no log."),
    ]
    assert not answer["changed"]


def test_names_that_begin_alike_are_left_alone(logs: Path, rotate: Rotate) -> None:
    others = ["app.log-extra", "app.log.1", "app.log-20261122", "app.log-old.gz", "app-2.log-20200101T000000Z-00000000.gz",
              "app.log-extra-20200101T000000Z-00000000.gz", "app.log-20200101T000000Z-0000000.gz"]
    for name in others:
        (logs / name).write_text("precious\n")
    (logs / "app.log").write_text("line\n")
    (logs / "app.log-20200101T000000Z-00000000.gz").write_bytes(gzip.compress(b"old"))
    answer = rotate(paths=[str(logs / "app.log")], keep=1, max_age_days=1, max_total_bytes=1)
    assert [Path(row["archive"]).name for row in answer["removed"]] == ["app.log-20200101T000000Z-00000000.gz"]
    assert {name: (logs / name).read_text() for name in others} == {name: "precious\n" for name in others}


@pytest.mark.parametrize("name", [b"a\nb.log", b"\xff\xfe.log", b"-rf .log", b"$(touch x).log", "ü ö.log".encode(), b"a" * 200 + b".log"])
@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_hostile_names(logs: Path, rotate: Rotate, name: bytes, compress: str) -> None:
    path = os.path.join(os.fsencode(logs), name)
    with open(path, "wb") as stream:
        stream.write(b"line\n" * 50)
    answer = rotate(compress=compress)
    assert answer["status"] == "ok", answer
    packed = [entry for entry in os.listdir(os.fsencode(logs)) if entry != name]
    assert len(packed) == 1 and packed[0].startswith(name + b"-2026")
    reader = "zstdcat" if compress == "zstd" else "zcat"
    content = subprocess.run([reader, "--", path + packed[0][len(name):]], check=True, capture_output=True)
    assert content.stdout == b"line\n" * 50
    assert all(text.isprintable() for row in answer["checks"] for text in (row["subject"], row["summary"]))
    assert answer["rotated"][0]["archive"].isprintable()


def test_a_name_without_room_for_an_archive_is_refused(logs: Path, rotate: Rotate) -> None:
    (logs / ("a" * 240 + ".log")).write_text("line\n")
    assert "too long" in only_check(rotate())["summary"]


def test_a_wide_pattern_takes_neither_archives_nor_packed_files_nor_folders(logs: Path, rotate: Rotate) -> None:
    (logs / "app.log").write_text("line\n")
    rotate()
    (logs / "app.log").write_text("line\n")
    for name in ("other.gz", ".hidden"):
        (logs / name).write_text("x")
    (logs / "folder").mkdir()
    answer = rotate(paths=[str(logs / "*")], min_age_hours=0)
    assert [Path(row["path"]).name for row in answer["rotated"]] == ["app.log"]
    assert len(answer["checks"]) == 1


def test_what_all_archives_may_hold_counts_the_new_one_as_it_is_packed(logs: Path, rotate: Rotate) -> None:
    log = logs / "app.log"
    for hour in range(5):
        log.write_bytes(os.urandom(1000))
        rotate(now=NOW + timedelta(hours=hour), min_age_hours=0, max_total_bytes=3500)
    sizes = [path.stat().st_size for path in logs.iterdir() if path != log]
    assert len(sizes) == 3 and sum(sizes) <= 3500


@pytest.mark.parametrize("method", ["rename", "copytruncate"])
@pytest.mark.parametrize("compress", ["gzip", "zstd", "none"])
def test_the_owner_keeps_log_and_archive(logs: Path, rotate: Rotate, compress: str, method: str) -> None:
    if os.geteuid() != 0:
        pytest.fail("files of other users can only be made by root; run the tests as root")
    log = logs / "app.log"
    log.write_text("line\n" * 50)
    log.chmod(0o640)
    os.chown(log, 65534, 4242)
    os.chown(logs, 65534, 65534)
    answer = rotate(compress=compress, method=method)
    assert answer["status"] == "ok", answer
    for path in (log, archive_of(answer)):
        status = path.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (65534, 4242, 0o640), path
    assert os.geteuid() == 0


def test_a_packed_copy_that_does_not_read_back_takes_no_place(logs: Path, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logs / "app.log"
    log.write_text("line\n" * 100)

    def lying(target: int, data: bytes) -> None:
        os.write(target, b"\0" + data[1:])

    monkeypatch.setattr(packing, "write_all", lying)
    with pytest.raises(UpkeepError) as error:
        rotate()
    assert "does not read back as it was written" in error.value.message
    row = error.value.details["checks"][0]
    assert row["status"] == "critical" and "was rotated, but" in row["summary"]
    monkeypatch.undo()
    kept = [path for path in logs.iterdir() if path != log]
    assert [path.read_text() for path in kept] == ["line\n" * 100]
    mended = rotate()
    assert mended["status"] == "ok" and len(mended["completed"]) == 1
    assert all(path.suffix == ".gz" for path in logs.iterdir() if path != log)


def test_an_archive_that_grows_while_it_is_packed_stays(logs: Path, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a process that nobody can see from here (another host, another container) writes to it."""
    log = logs / "app.log"
    log.write_text("line\n" * 100)
    pack = finishing.pack

    def late(folder: int, raw: str, *rest: Any) -> tuple[str, int]:
        result = pack(folder, raw, *rest)
        with (logs / raw).open("a") as stream:
            stream.write("late\n")
        return result

    monkeypatch.setattr(finishing, "pack", late)
    answer = rotate()
    assert answer["status"] == "warning" and "was written to while it was packed" in only_check(answer)["summary"]
    monkeypatch.undo()
    assert rotate()["status"] == "ok"
    packed = [path for path in logs.iterdir() if path != log]
    assert [gzip.decompress(path.read_bytes()) for path in packed] == [b"line\n" * 100 + b"late\n"]


def test_a_log_that_is_exchanged_after_the_look_is_refused(logs: Path, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    log, precious = logs / "app.log", logs.parent / "precious"
    log.write_text("line\n")
    precious.write_text("precious\n")

    def swap(plan: Any, archive: Any, folder: Any) -> None:
        log.unlink()
        os.link(precious, log)
        moving.rename_away(plan, archive, folder)

    monkeypatch.setattr("ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rotating.rename_away", swap)
    answer = rotate()
    assert "was exchanged for another file" in only_check(answer)["summary"]
    assert precious.read_text() == "precious\n" and names(logs) == ["app.log"]


@pytest.mark.parametrize("method", ["rename", "copytruncate"])
def test_without_room_for_another_file_the_log_is_as_it_was(
    logs: Path, rotate: Rotate, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    log = logs / "app.log"
    log.write_text("line\n")
    inode = log.stat().st_ino
    for day in (1, 2):
        (logs / f"app.log-2026110{day}T050000Z-00000000.gz").write_bytes(gzip.compress(b"old"))

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(moving, "like", full)
    with pytest.raises(UpkeepError, match="app.log: No space left on device") as error:
        rotate(method=method, keep=2)
    row = error.value.details["checks"][0]
    assert row["status"] == "critical" and "could not be rotated and is as it was: No space" in row["summary"]
    assert "Make room" in row["hint"]
    assert (log.read_text(), log.stat().st_ino) == ("line\n", inode)
    assert len(names(logs)) == 3, "no archive went for one that was not made, and nothing half-done is left"
    monkeypatch.undo()
    assert rotate(method=method, keep=2)["status"] == "ok"
    assert len(names(logs)) == 3


def test_no_archive_is_ever_overwritten(logs: Path, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.upkeep.runbook.plugins.module_utils.rotation.planning.os.urandom", lambda count: b"\0" * count)
    log = logs / "app.log"
    log.write_text("first\n")
    rotate(compress="none")
    log.write_text("second\n")
    answer = rotate(compress="none", min_age_hours=0)  # the same moment, the same mark
    assert "exists already" in only_check(answer)["summary"]
    assert sorted(path.read_text() for path in logs.iterdir()) == ["first\n", "second\n"]


def test_a_log_that_two_groups_name_belongs_to_the_first(logs: Path, rotate: Rotate) -> None:
    (logs / "app.log").write_text("line\n")
    (logs / "web.log").write_text("line\n")
    answer = rotate(paths=[], groups=[
        {"paths": [str(logs / "app.log")], "compress": "none"}, {"paths": [str(logs / "*.log")], "compress": "gzip"},
    ])
    suffixes = {Path(row["path"]).name: Path(row["archive"]).suffix == ".gz" for row in answer["rotated"]}
    assert suffixes == {"app.log": False, "web.log": True}


def test_another_run_on_the_host_is_named(logs: Path, rotate: Rotate, tmp_path: Path) -> None:
    from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock

    (logs / "app.log").write_text("line\n")
    with exclusive_lock(tmp_path / "state" / "lock", LockOwner("20261122T014356Z-0000000a", "backup", "now")):
        with pytest.raises(UpkeepError, match="run 20261122T014356Z-0000000a of backup"):
            rotate()
        assert rotate(check_mode=True)["changed"]
    assert rotate()["changed"]


def test_after_a_clock_that_was_ahead_the_new_archive_stays(logs: Path, rotate: Rotate) -> None:
    for now, line in ((NOW.replace(year=2031), "ahead\n"), (NOW, "right\n")):
        (logs / "app.log").write_text(line, encoding="utf-8")
        rotate(now=now, keep=1, compress="none")
    assert [path.read_text(encoding="utf-8") for path in sorted(logs.glob("app.log-*"))] == ["right\n"]
    (logs / "app.log").write_text("more\n", encoding="utf-8")
    assert rotate(now=NOW, keep=1)["rotated"] == []


def test_a_missing_log_excuses_no_unsafe_folder(logs: Path, rotate: Rotate) -> None:
    archive = logs / "app.log-20261121T051023Z-1a2b3c4d"
    archive.write_text("line\n", encoding="utf-8")
    logs.chmod(0o777)
    assert rotate(paths=[str(logs / "app.log")])["changed"] is False
    assert [path.name for path in logs.iterdir()] == [archive.name]
    logs.chmod(0o755)
    result = rotate(paths=[str(logs / "app.log")])
    assert (result["changed"], result["status"]) == (True, "unknown")
    assert [path.name for path in logs.iterdir()] == [f"{archive.name}.gz"]


def test_a_log_that_is_named_in_two_ways_is_one_log(logs: Path, rotate: Rotate) -> None:
    other = logs.with_name("other")
    other.symlink_to(logs)
    os.lchown(other, 0, 0)
    (logs / "app.log").write_text("line\n", encoding="utf-8")
    (logs / "app.log-20261101T000000Z-00000000").write_text("older\n", encoding="utf-8")
    answer = rotate(groups=[{"paths": [str(place / "app.log")]} for place in (logs, other)], paths=[])
    assert (only_check(answer)["subject"], answer["status"]) == (str(logs / "app.log"), "ok")
    assert len(list(logs.glob("app.log-*.gz"))) == 2


@pytest.mark.parametrize("method", ["rename", "copytruncate"])
def test_a_log_that_is_nearly_all_holes_is_left_alone(logs: Path, rotate: Rotate, method: str) -> None:
    with (logs / "app.log").open("w", encoding="utf-8") as log:
        log.write("line\n")
        log.truncate(2**40)
    row = only_check(rotate(method=method))
    assert row["status"] == "warning" and "were never written (holes)" in row["summary"], row
    assert names(logs) == ["app.log"]


def test_an_archive_that_grows_is_not_followed_for_ever(logs: Path, rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    (logs / "app.log").write_bytes(b"line\n")
    read, pieces = packing._read_piece, iter(range(10))

    def grows(source: int) -> bytes:
        assert next(pieces, None) is not None, "it reads on and on"
        piece = read(source)
        with next(logs.glob("app.log-*[0-9a-f]")).open("ab") as late:
            late.write(b"late\n" * 400_000)
        return piece

    monkeypatch.setattr(packing, "PIECE_BYTES", 1_000_000)
    monkeypatch.setattr(packing, "_read_piece", grows)
    answer = rotate()
    assert "was written to while it was packed" in only_check(answer)["summary"]
    assert not list(logs.glob("*.gz*"))
