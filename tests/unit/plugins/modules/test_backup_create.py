"""The module that makes backups, as Ansible runs it: its archives are unpacked by GNU tar and tarfile, and verified by our own reader."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

Create = Callable[..., dict[str, Any]]
PROGRAMS = {"zstd": ["zstd", "-dcq"], "gzip": ["gzip", "-dc"], "none": ["cat"]}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A tree with all that a tree may have."""
    app = tmp_path / "app"
    for path, data in {
        "package.json": b"{}", "src/main.js": b"console.log(1)\n" * 5000, "node_modules/x/index.js": b"x", "empty": b"",
        os.fsdecode(b"not utf-8 \xff"): b"1", "two\nlines": b"2", "\u00e9" * 60: b"3", "/".join(["deep"] * 60): b"4",
    }.items():
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).write_bytes(data)
    os.link(app / "package.json", app / "package-again.json")
    (app / "current").symlink_to("src")
    (app / "dangling").symlink_to("nowhere/" * 40)
    (app / "src/main.js").chmod(0o4750)
    os.utime(app / "empty", ns=(1, -1_500_000_000))
    with open(app / "large", "wb") as stream:
        stream.truncate(17 * 1024 * 1024)
        stream.write(b"the end of its beginning")
    return app


@pytest.fixture
def create(tmp_path: Path, app: Path) -> Create:
    def run(*, before: str = "", env: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        given: dict[str, Any] = {
            "sources": [{"name": "application", "paths": [str(app)], "exclude": ["node_modules"]}],
            "destination": str(tmp_path / "backups"), "label": "app", "state_directory": str(tmp_path / "state"),
        }
        return run_module("backup_create", {**given, **options}, before=before, env=env)

    return run


def verified(path: str) -> dict[str, Any]:
    return run_module("backup_verify", {"path": path, "level": "content", "return_all": True})


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_what_was_backed_up_comes_back(compression: str, app: Path, create: Create, tmp_path: Path) -> None:
    answer = create(compression=compression)
    assert answer["changed"] and [row["check"] for row in answer["checks"] if row["status"] != "ok"] == ["backup.rights"], answer
    backup = answer["backup"]
    archive = Path(backup["path"])
    data = archive.read_bytes()
    assert (backup["bytes"], backup["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert listing(archive.parent) == [archive.name, f"{archive.name}.manifest.json"]
    assert archive.parent.stat().st_mode & 0o777 == 0o700 and archive.stat().st_mode & 0o777 == 0o600

    plain = tmp_path / "plain.tar"
    plain.write_bytes(subprocess.run([*PROGRAMS[compression], archive], check=True, stdout=subprocess.PIPE).stdout)
    assert plain.stat().st_size % 10240 == 0
    restored = tmp_path / "restored"
    restored.mkdir()
    said = subprocess.run(
        ["tar", "-xpf", plain, "-C", restored], check=True, stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C.UTF-8"}
    )
    assert b"implausibly old" in said.stderr or not said.stderr
    same_trees(app, restored / "files" / str(app)[1:])

    with tarfile.open(plain, encoding="utf-8") as opened:
        members = opened.getnames()
    manifest = json.loads(Path(backup["manifest_path"]).read_bytes())
    assert members == [*(member["name"] for member in manifest["members"]), "manifest.json"]
    assert len(members) == backup["members"] + 1 == len(set(members))
    inner = json.loads((restored / "manifest.json").read_bytes())
    assert manifest.pop("archive") == {"name": archive.name, "bytes": len(data), "sha256": backup["sha256"]}
    assert inner == manifest
    assert manifest["excluded"] == [{"path": f"{app}/node_modules", "pattern": "node_modules"}]
    assert manifest["totals"]["bytes"] == backup["unpacked_bytes"] > 17 * 1024 * 1024
    by_name = {member["name"].rpartition("/")[2]: member for member in manifest["members"]}
    assert by_name["main.js"]["mode"] == "4750" and by_name["empty"]["mtime_ns"] == -1_500_000_000
    assert by_name["package.json"]["type"] == "hardlink" and by_name["package.json"]["target"].endswith("/package-again.json")
    check = verified(str(archive))
    assert {row["check"]: row["status"] for row in check["checks"]}["backup.content_hashes"] == "ok", check


def same_trees(one: Path, other: Path) -> None:
    """Compare a tree and its restored copy, which has no node_modules."""
    kept = [path for path in [one, *one.rglob("*")] if "node_modules" not in path.parts]
    copies = [other, *other.rglob("*")]
    assert sorted(str(path.relative_to(one)) for path in kept) == sorted(str(path.relative_to(other)) for path in copies)
    for path in kept:
        copy = other / path.relative_to(one)
        here, there = path.lstat(), copy.lstat()
        assert (here.st_mode, here.st_uid, here.st_gid, here.st_mtime_ns // 10**9) == (
            there.st_mode, there.st_uid, there.st_gid, there.st_mtime_ns // 10**9
        ), path
        if path.is_symlink():
            assert os.readlink(path) == os.readlink(copy)
        elif path.is_file():
            assert path.read_bytes() == copy.read_bytes() and here.st_nlink == there.st_nlink


def test_check_run_check_run(create: Create, tmp_path: Path) -> None:
    answers = []
    for check_mode in (True, False, True, False):
        answers.append(create(_ansible_check_mode=check_mode, _ansible_diff=True))
        assert len(listing(tmp_path / "backups")) == len(answers) // 2 * 2
    assert [answer["changed"] for answer in answers] == [True] * 4
    planned, made = answers[0]["backup"], answers[1]["backup"]
    assert (planned["members"], planned["unpacked_bytes"]) == (made["members"], made["unpacked_bytes"])
    assert planned["excluded"] == made["excluded"] and planned["sha256"] is None
    assert answers[0]["diff"]["after"].endswith(f"({made['members']} members)\n") and answers[0]["diff"]["before"] == ""
    assert "would be made" in answers[0]["checks"][0]["summary"] and "was made" in answers[1]["checks"][0]["summary"]


def test_check_mode_creates_no_folder(create: Create, tmp_path: Path) -> None:
    create(_ansible_check_mode=True)
    assert not (tmp_path / "backups").exists() and not (tmp_path / "state").exists()


def test_a_database_is_a_member(create: Create, tmp_path: Path) -> None:
    path = tmp_path / "data.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE ticks (price)")
        connection.executemany("INSERT INTO ticks VALUES (?)", [(number,) for number in range(1000)])
    answer = create(sources=[], dumps=[{"type": "sqlite", "path": str(path), "name": "ticks.sqlite"}], compression="none")
    with tarfile.open(answer["backup"]["path"]) as opened:
        assert opened.getnames() == ["dumps/ticks.sqlite", "manifest.json"]
        dump = opened.extractfile("dumps/ticks.sqlite")
        assert dump is not None
        copy = tmp_path / "copy.sqlite"
        copy.write_bytes(dump.read())
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM ticks").fetchall() == [(1000,)]
    row = answer["backup"]["dumps"][0]
    assert (row["name"], row["member"], row["bytes"]) == ("ticks.sqlite", "dumps/ticks.sqlite", copy.stat().st_size)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sources": []}, "there is nothing to back up"),
        ({"sources": [{"name": "a", "paths": ["/no/such/folder"]}]}, "/no/such/folder cannot be backed up"),
        ({"sources": [{"name": "a", "paths": ["/no/such/*"]}]}, "matches nothing"),
        ({"dumps": [{"type": "sqlite", "path": "/no/such.sqlite"}]}, "/no/such.sqlite"),
        ({"label": "../x"}, "label: ../x is not accepted"),
        ({"destination": "relative"}, "give an absolute path"),
        ({"compression": "gzip", "compression_level": 19}, "compression_level: 19 is not accepted; give 1 to 9."),
        ({"min_free_percent": 99}, "min_free_percent: 99 is not accepted"),
        ({"timeout_seconds": "nan"}, "timeout_seconds: nan is not accepted"),
        ({"git": ["relative"]}, "git: relative is not accepted"),
        ({"min_free_percent": 90}, "free; a backup that is made of"),
    ],
)
def test_what_cannot_be_backed_up_leaves_nothing(options: dict[str, Any], said: str, create: Create, tmp_path: Path) -> None:
    answer = create(**options)
    assert answer["failed"] and said in answer["msg"], answer
    assert listing(tmp_path / "backups") == []


def test_the_time_is_limited(create: Create, app: Path, tmp_path: Path) -> None:
    # The strongest level needs seconds for them.
    for name in ("one", "two", "three"):
        (app / name).write_bytes(os.urandom(6 * 1024 * 1024))
    answer = create(timeout_seconds=1, compression_level=19)
    assert answer["failed"] and "timeout_seconds" in answer["msg"], answer
    assert listing(tmp_path / "backups") == []


def test_without_zstd_the_backup_is_a_gzip_one_with_a_warning(create: Create, tmp_path: Path) -> None:
    (tmp_path / "libzstd.so.1").write_text("no library")
    answer = create(compression_level=19, env={"LD_LIBRARY_PATH": str(tmp_path)})
    assert answer["backup"]["path"].endswith(".tar.gz") and answer["backup"]["compression"] == "gzip"
    assert any("libzstd is not installed" in str(warning) for warning in answer["warnings"])
    subprocess.run(["gzip", "-t", answer["backup"]["path"]], check=True)


def test_two_backups_in_one_second_get_two_names(create: Create, tmp_path: Path) -> None:
    paths = {create()["backup"]["path"] for _backup in range(3)}
    assert len(paths) == 3 and len(listing(tmp_path / "backups")) == 6


def test_what_a_killed_run_left_is_cleared_away(create: Create, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    left = [".upkeep-app_20200101T000000Z.tar.zst-abc.new", "app_20200101T000000Z.tar.zst.manifest.json"]
    for name in left:
        (folder / name).touch()
    answer = create()
    assert answer["leftovers_removed"] == left and len(listing(folder)) == 2


def test_a_source_that_holds_the_folder_of_backups(create: Create, tmp_path: Path) -> None:
    first = create(sources=[{"name": "all", "paths": [str(tmp_path)]}])
    second = create(sources=[{"name": "all", "paths": [str(tmp_path)]}])
    assert {"path": str(tmp_path / "backups"), "pattern": "destination"} in second["backup"]["excluded"]
    assert first["backup"]["members"] == second["backup"]["members"]


def test_a_torn_file_is_a_warning(create: Create, app: Path, tmp_path: Path) -> None:
    """A large file grows between two reads of it."""
    before = f"""
import os
pread = os.pread
def change(descriptor, length, offset):
    if offset == 1024 * 1024:
        with open({str(app / "large")!r}, "ab") as stream:
            stream.write(b"more")
    return pread(descriptor, length, offset)
os.pread = change
"""
    answer = create(before=before)
    assert answer["status"] == "warning" and answer["backup"]["torn"] == [f"files{app}/large"]
    (row,) = [row for row in answer["checks"] if row["check"] == "backup.torn"]
    assert row["status"] == "warning" and f"files{app}/large" in row["summary"] and row["hint"]
    manifest = json.loads(Path(answer["backup"]["manifest_path"]).read_bytes())
    assert [member["name"] for member in manifest["members"] if member.get("torn")] == [f"files{app}/large"]
    assert {row["check"]: row["status"] for row in verified(answer["backup"]["path"])["checks"]}["backup.content_hashes"] == "ok"


def test_what_restores_refuse_is_said_when_it_is_saved(create: Create, app: Path, tmp_path: Path) -> None:
    """A tree that verifies and that no drill and no recovery brings back is a backup that fails on the day it is needed."""
    (app / "src").chmod(0o2755)  # of a folder the bit says which group new files get
    for check_mode in (True, False):
        made = create(_ansible_check_mode=check_mode)
        (rights,) = (row for row in made["checks"] if row["check"] == "backup.rights")
        assert (made["status"], rights["status"], rights["value"]) == ("warning", "warning", 1)
        assert f"{app}/src/main.js" in rights["summary"] and "backup.accept: [special_bits]" in rights["hint"]
    answers = {accept: drilled(made["backup"]["path"], tmp_path, [accept] if accept else []) for accept in ("", "special_bits")}
    assert answers[""]["status"] == "critical" and "accept: [special_bits]" in answers[""]["problems"][0]
    assert (answers["special_bits"]["status"], answers["special_bits"]["problems"]) == ("ok", [])
    assert create(accept=["special_bits"])["status"] == "ok"


def drilled(path: str, tmp_path: Path, accept: list[str]) -> dict[str, Any]:
    (tmp_path / "scratch").mkdir(exist_ok=True)
    drill = {"directory": str(tmp_path / "scratch"), "accept": accept, "max_days": 0}
    options = {"path": path, "level": "drill", "drill": drill, "state_directory": str(tmp_path / "state")}
    (answer,) = run_module("backup_verify", options)["drills"]
    return dict(answer)


def test_a_second_run_says_who_acts(create: Create, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with open(tmp_path / "state/lock", "w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        answer = create()
    assert answer["failed"] and "another run holds" in answer["msg"]


def test_sources_that_cannot_be_ones(create: Create, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    (folder / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for path, said in (
        (folder, "is the folder of backups itself"), (folder / "file", "lies in the folder of backups"),
        (tmp_path / "pipe", "is a pipe, and cannot be backed up"),
    ):
        for check_mode in (True, False):
            answer = create(sources=[{"name": "a", "paths": [str(path)]}], _ansible_check_mode=check_mode)
            assert answer["failed"] and said in answer["msg"], answer
    assert listing(folder) == ["file"]


def test_nothing_is_no_backup(create: Create, app: Path, tmp_path: Path) -> None:
    old = app / "empty"
    answer = create(sources=[{"name": "a", "paths": [str(old)], "max_age_days": 7}])
    assert answer["failed"] and "there is nothing to back up" in answer["msg"]
    assert listing(tmp_path / "backups") == []


def test_passwords_are_nowhere(create: Create, tmp_path: Path) -> None:
    answer = create(dumps=[{"type": "mysql", "database": "x", "host": "127.0.0.1", "port": 9, "password": "hunter2-secret"}])
    assert answer["failed"] and "hunter2-secret" not in json.dumps({**answer, "invocation": None})
