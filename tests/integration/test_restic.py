"""Backups with the real restic, in a repository on this host and over sftp: made, verified, forgotten, restored, and what goes wrong."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.exclusion import Tree, restic_patterns
from ansible_collections.upkeep.runbook.tests.integration.object_servers import SECRET, USER, RestHandler, S3Handler, object_server
from ansible_collections.upkeep.runbook.tests.integration.restic_place import Place, answer_of, status_of, summary_of
from ansible_collections.upkeep.runbook.tests.integration.sftp_server import sftp_server
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

RUNS = int(os.environ.get("FAULT_RUNS", "3"))


@pytest.fixture
def bare_place() -> Iterator[Place]:
    """In memory: a disk that others write to lets a flush take seconds, and restic flushes each file."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        yield Place(Path(name))


@pytest.fixture
def place(bare_place: Place) -> Place:
    """With an empty repository."""
    bare_place.make_repository()
    return bare_place


def test_check_run_check_run(bare_place: Place) -> None:
    place = bare_place
    before = sorted(place.folder.rglob("*"))
    planned = place.run("restic_backup", init=True, **place.sources, _ansible_check_mode=True)
    assert planned["changed"] and "The repository would be made before." in summary_of(planned, "backup.create")
    assert sorted(place.folder.rglob("*")) == before
    made = place.backup()
    assert made["status"] == "ok" and len(made["backup"]["snapshot"]) == 64
    assert [row["reason"] for row in made["backup"]["skipped"]] == ["a pipe"]
    assert [row["path"] for row in made["backup"]["excluded"]] == [str(place.app / "node_modules")]
    assert not (place.state / "restic-staging").exists()
    again = place.run("restic_backup", **place.sources, _ansible_check_mode=True)
    assert again["backup"]["members"] == planned["backup"]["members"] and place.snapshots() == 1
    assert place.backup()["backup"]["bytes"] < made["backup"]["bytes"] / 4 and place.snapshots() == 2


def test_a_snapshot_is_verified_and_restores_as_it_was(place: Place) -> None:
    whole = place.tree()
    place.backup()
    found = place.run(
        "restic_verify", level="content", remember=True, return_all=True,
        require=[f"files{place.app}/config/*", "dumps/orders.sqlite", "manifest.json"],
    )
    assert found["status"] == "ok", found["checks"]
    assert {row["check"] for row in found["checks"]} == {
        f"backup.{name}" for name in ("present", "age", "size", "shrink", "readable", "content", "manifest", "content_hashes", "storage")
    }
    missing = place.run("restic_verify", require=["files/etc/*", "*node_modules*"])
    assert status_of(missing, "backup.content") == "critical" and missing["backups"][0]["missing"] == ["files/etc/*", "*node_modules*"]

    (place.app / "config" / "app.json").write_text("broken")
    (place.app / "added").write_text("later")
    (place.app / "data.bin").unlink()
    broken = place.tree()
    planned = place.run("restic_restore", _ansible_check_mode=True)
    assert planned["changed"] and place.tree() == broken
    restored = place.run("restic_restore")
    assert not restored.get("failed"), restored["msg"]
    assert place.tree() == whole and restored["restored"][0]["carried_over"] >= 3
    back = place.run("restic_restore", state="previous", id=restored["id"])
    assert back["changed"] and place.tree() == broken
    assert not place.run("restic_restore", state="previous", id=restored["id"])["changed"]


def test_a_part_is_restored_and_the_rest_stays(place: Place) -> None:
    place.backup()
    shutil.rmtree(place.app / "config")
    (place.app / "data.bin").write_bytes(b"newer")
    answer = place.run("restic_restore", target=[str(place.app)], members=["conf*"])
    assert not answer.get("failed"), answer["msg"]
    assert (place.app / "config" / "app.json").read_text() == '{"port": 8081}' and (place.app / "data.bin").read_bytes() == b"newer"
    nothing = place.run("restic_restore", target=[str(place.app)], members=["absent"])
    assert "has nothing of what was asked" in nothing["msg"]
    elsewhere = place.run("restic_restore", target=[str(place.folder / "copy")], **{"from": [str(place.app / "config")]})
    assert not elsewhere.get("failed") and os.listdir(place.folder / "copy") == ["app.json"]
    kept = place.run("restic_restore", preserve=["data.bin"])
    assert not kept.get("failed") and (place.app / "data.bin").read_bytes() == b"newer"


def test_a_snapshot_becomes_an_archive_like_any_other(place: Place) -> None:
    os.link(place.app / "data.bin", place.app / "second-name")
    made = place.backup()
    fetched = place.run("restic_fetch")
    assert fetched["changed"] and not place.run("restic_fetch")["changed"]
    path = fetched["backup"]["path"]
    found = run_module("backup_verify", {"path": path, "level": "content", "return_all": True, "require": ["dumps/orders.sqlite"]})
    assert found["status"] == "ok", found["checks"]
    assert found["backups"][0]["manifest"]["backup_id"] == made["backup"]["backup_id"]
    restored = run_module("backup_restore", {"path": path, "state_directory": str(place.state), "manifest": "required"})
    assert not restored.get("failed"), restored["msg"]
    assert (place.app / "second-name").stat().st_ino == (place.app / "data.bin").stat().st_ino
    assert (place.app / "node_modules" / "left" / "index.js").exists()
    assert not (place.state / "restic-fetched" / ".upkeep-fetch").exists()


def test_the_dump_in_a_snapshot_is_the_database(place: Place) -> None:
    place.backup()
    place.restic("restore", "latest", "--include", "/dumps", "--target", str(place.folder / "out"))
    with sqlite3.connect(place.folder / "out" / "dumps" / "orders.sqlite") as connection:
        assert connection.execute("SELECT count(*), sum(number) FROM orders").fetchone() == (100, 4950)
    connection.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"dumps": [{"name": "gone", "type": "sqlite", "path": "/nonexistent/gone.db"}]}, "gone"),
        ({"sources": [{"name": "application", "paths": ["/nonexistent/app"]}]}, "/nonexistent/app cannot be backed up"),
    ],
)
def test_what_cannot_be_backed_up_whole_leaves_no_snapshot(place: Place, options: dict[str, Any], said: str) -> None:
    place.backup()
    answer = place.run("restic_backup", **{**place.sources, **options})
    assert answer["failed"] and said in answer["msg"]
    assert place.snapshots() == 1 and not (place.state / "restic-staging").exists()


def test_an_incomplete_snapshot_does_not_count(place: Place) -> None:
    place.backup()
    unread = '{"message_type":"error","error":{"Op":"open","Path":"x","Err":13},"during":"archival","item":"/srv/secret"}'
    real = shutil.which("restic")
    incomplete = place.wrapper(f"""{real} "$@" || exit; case "$*" in *\\ backup\\ *) echo '{unread}' >&2; exit 3;; esac""")
    answer = place.run("restic_backup", **place.sources, program=incomplete)
    assert "could not read 1 files: /srv/secret: permission denied" in answer["msg"] and place.snapshots() == 1

    # The server keeps it: it takes no deletion.
    stubborn = place.wrapper(
        f"""case "$*" in *\\ forget\\ *) echo 'Fatal: unable to remove: 403 Forbidden' >&2; exit 1;; esac
        {real} "$@" || exit; case "$*" in *\\ backup\\ *) echo '{unread}' >&2; exit 3;; esac"""
    )
    answer = place.run("restic_backup", **place.sources, program=stubborn)
    assert "could not be forgotten and does not count" in answer["msg"] and place.snapshots() == 2
    found = place.run("restic_verify", newest=5, return_all=True)
    assert found["totals"]["backups"] == 1 and found["totals"]["unfinished"] == 1
    place.backup()
    assert place.snapshots() == 2 and place.run("restic_verify")["totals"]["unfinished"] == 0


def test_files_that_vanish_make_no_snapshot_incomplete(place: Place) -> None:
    gone = f'{{"message_type":"error","error":{{"Op":"lstat","Path":"x","Err":2}},"during":"scan","item":"{place.app}/gone"}}'
    program = place.wrapper(
        f"""{shutil.which("restic")} "$@" || exit; case "$*" in *\\ backup\\ *) echo '{gone}' >&2; exit 3;; esac"""
    )
    made = place.backup(program=program)
    assert {"path": f"{place.app}/gone", "reason": "it vanished while the backup was made"} in made["backup"]["skipped"]
    assert place.snapshots() == 1


def test_the_size_of_every_snapshot_that_is_looked_at_is_found_out(place: Place) -> None:
    for _number in range(8):
        place.restic("backup", "--host=app1", "--tag=upkeep,label=shop-app1", str(place.app))
    found = place.run("restic_verify", level="exists", newest=100, return_all=True)
    assert len(found["backups"]) == 8 and all(row["bytes"] > 0 for row in found["backups"]) and found["status"] == "ok"


def test_a_killed_run_leaves_nothing_that_counts_and_the_next_one_works(place: Place) -> None:
    place.backup()
    (place.app / "large.bin").write_bytes(os.urandom(30_000_000))
    moments = random.Random(20261122)
    good = 1
    for _run in range(RUNS):
        process = place.start("restic_backup", **place.sources)
        time.sleep(moments.uniform(0.5, 4.0))
        process.kill()
        process.communicate()
        found = place.run("restic_verify", level="exists", newest=100, return_all=True)
        # Killed behind the end, the backup was seen to it and counts.
        assert found["totals"]["backups"] - good in (0, 1) and found["status"] == "ok"
        place.backup(unlock=True)
        good = place.run("restic_verify", level="exists", newest=100, return_all=True)["totals"]["backups"]
        assert place.snapshots() == good
        (place.app / "large.bin").write_bytes(os.urandom(30_000_000))
    assert not (place.state / "restic-staging").exists()
    assert place.run("restic_verify", level="content", unlock=True, lock_wait_seconds=60)["status"] == "ok"


def test_a_killed_restore_leaves_the_tree_as_it_was(place: Place) -> None:
    (place.app / "large.bin").write_bytes(os.urandom(30_000_000))
    place.backup()
    whole = place.tree()
    (place.app / "config" / "app.json").write_text("broken")
    broken = place.tree()
    moments = random.Random(20261123)
    for _run in range(RUNS):
        process = place.start("restic_restore")
        time.sleep(moments.uniform(1.0, 4.5))
        process.kill()
        process.communicate()
        assert place.tree() in (broken, whole)
    answer = place.run("restic_restore", unlock=True)
    assert not answer.get("failed"), answer["msg"]
    assert place.tree() == whole and len(list(place.folder.glob(".upkeep-restore-*"))) == 1


def test_restic_ends_with_the_module_that_started_it(place: Place) -> None:
    place.backup()
    note = place.folder / "pid"
    slow = place.wrapper(f'echo $$ > {note}.new; mv {note}.new {note}; trap "exit 130" INT; while :; do sleep 0.1; done')
    process = place.start("restic_verify", program=slow)
    deadline = time.monotonic() + 60
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    pid = int(note.read_text())
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    late = place.run("restic_verify", program=slow, timeout_seconds=1)
    assert "did not end in time" in summary_of(late, "backup.present") and late["status"] == "unknown"
    assert not Path(f"/proc/{int(note.read_text())}").exists()


def test_the_wrong_password_is_told(place: Place) -> None:
    place.backup()
    answer = place.run("restic_backup", **place.sources, password="gu3ssed")
    assert "the password is wrong" in answer["msg"] and "password_file" in answer["msg"] and "gu3ssed" not in repr(answer)
    assert status_of(place.run("restic_verify", password="gu3ssed"), "backup.present") == "unknown"
    assert "the password is wrong" in place.run("restic_restore", password="gu3ssed")["msg"]
    place.options["password"] = None
    absent = place.run("restic_verify", password_file=str(place.folder / "absent"))
    assert "password_file" in absent["msg"] and "No such file" in absent["msg"]
    (place.folder / "password").write_text("correct horse battery\n")
    assert place.run("restic_verify", password_file=str(place.folder / "password"))["status"] == "ok"


def test_a_repository_that_vanished_is_not_made_anew(place: Place) -> None:
    place.backup()
    place.repository.rename(place.folder / "unmounted")
    answer = place.run("restic_backup", init=True, **place.sources)
    assert "there is no repository, and the last backup of this host went into one" in answer["msg"] and not place.repository.exists()
    found = place.run("restic_verify")
    assert status_of(found, "backup.present") == "critical" and "There is no backup" in summary_of(found, "backup.present")
    (place.folder / "unmounted").rename(place.repository)
    assert place.run("restic_verify")["status"] == "ok"


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_damaged_repository_is_found_and_nothing_is_restored_from_it(place: Place, damage: str) -> None:
    place.backup()
    place.run("restic_verify", remember=True)
    pack = max((path for path in (place.repository / "data").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    if damage == "removed":
        pack.unlink()
    else:
        pack.chmod(0o600)
        with pack.open("r+b") as stream:
            stream.seek(4000)
            stream.write(b"damage")
    # What is missing is found without reading; restic would look for it for a minute.
    found = place.run("restic_verify", level="content" if damage == "changed" else "readable", remember=True)
    assert status_of(found, "backup.readable") == "critical"
    assert damage == "removed" or status_of(found, "backup.content_hashes") == "critical"
    assert "restic check found errors" in summary_of(found, "backup.readable") and pack.name[:8] in summary_of(found, "backup.readable")
    if damage == "changed":
        (place.app / "config" / "app.json").write_text("newer")
        before = place.tree()
        answer = place.run("restic_restore", timeout_seconds=60)
        assert answer["failed"] and place.tree() == before and not list(place.folder.glob(".upkeep-restore-*"))
    # What is damaged is not taken for the newest good one.
    assert "nothing was forgotten" in summary_of(place.run("restic_forget", keep_last=1), "backup.prune")


def test_a_locked_repository_is_told_and_only_a_dead_lock_of_this_host_is_removed(place: Place) -> None:
    place.backup()
    reading, writing = os.pipe()
    holder = subprocess.Popen(
        ["restic", "--no-cache", "backup", "--stdin"], stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "RESTIC_REPOSITORY": str(place.repository), "RESTIC_PASSWORD": place.options["password"]},
    )
    os.close(reading)
    deadline = time.monotonic() + 60
    while not list((place.repository / "locks").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    checked = place.run("restic_verify", unlock=True)
    assert status_of(checked, "backup.readable") == "unknown"
    assert "it is locked: process " in summary_of(checked, "backup.readable")
    assert f"process {holder.pid} of" in summary_of(checked, "backup.readable") and list((place.repository / "locks").iterdir())
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    os.close(writing)
    told = summary_of(place.run("restic_verify"), "backup.readable")
    assert "which does not run any more; unlock: true removes such a lock" in told
    assert place.run("restic_verify", unlock=True)["status"] == "ok" and not list((place.repository / "locks").iterdir())


def test_old_snapshots_are_forgotten_but_never_the_newest_good_one(place: Place) -> None:
    place.backup(sources=[], dumps=place.sources["dumps"])
    for day in range(1, 6):
        backup_id = f"202611{day:02}T020000Z-0000000{day}"
        place.restic(
            "backup", "--host", "app1", "--tag", f"upkeep,label=shop-app1,backup_id={backup_id}", "--time", f"2026-11-{day:02} 02:00:00",
            str(place.app / "config"),
        )
    place.restic("backup", "--host", "other", "--tag", "upkeep,label=shop-app1", str(place.app / "config"))
    assert "keeps nothing" in place.run("restic_forget")["msg"]
    unknown = place.run("restic_forget", keep_last=1)
    assert unknown["status"] == "unknown" and not unknown["changed"]
    assert place.run("restic_verify", remember=True)["status"] == "ok"
    options = {"keep_last": 1, "keep_daily": 2, "protect": ["20261102T020000Z-00000002"]}
    planned = place.run("restic_forget", **options, _ansible_check_mode=True)
    assert place.snapshots() == 7 and [row["created"][:10] for row in planned["removed"]] == ["2026-11-01", "2026-11-03", "2026-11-04"]
    done = place.run("restic_forget", **options)
    assert done["removed"] == planned["removed"] and done["pruned"] and place.snapshots() == 4
    reasons = [row["reasons"] for row in done["kept"]]
    assert reasons[0][:2] == ["newest verified", "last 1"] and reasons[1] == ["daily 2026-11-05"] and reasons[2] == ["protected"]
    assert not place.run("restic_forget", **options)["changed"]
    assert place.run("restic_verify", level="content")["status"] == "ok"


def test_a_repository_over_sftp(place: Place) -> None:
    (place.folder / "ssh").mkdir(mode=0o700)
    whole = place.tree()
    with sftp_server(place.folder / "ssh") as server:
        place.options.update(repository=f"sftp:storage:{place.folder}/far", extended_options={"sftp.command": server.command})
        place.backup()
        assert place.run("restic_verify", level="content")["status"] == "ok"
        (place.app / "data.bin").unlink()
        assert not place.run("restic_restore").get("failed") and place.tree() == whole
        (place.folder / "ssh" / "known").write_text("")
        said = summary_of(place.run("restic_verify"), "backup.present")
        # On a busy machine restic sees that ssh has ended before it sees what ssh says.
        assert "the server refuses access" in said or "unable to start the sftp session" in said
        server.stop()
        found = place.run("restic_verify")
        assert status_of(found, "backup.present") == "unknown" and "it cannot be reached" in summary_of(found, "backup.present")
        answer = place.run("restic_backup", init=True, **place.sources)
        assert answer["failed"] and "it cannot be reached" in answer["msg"]


@pytest.mark.parametrize("protocol", ["rest", "s3"])
def test_a_repository_behind_http(protocol: str, bare_place: Place) -> None:
    place, whole = bare_place, bare_place.tree()
    with object_server(RestHandler if protocol == "rest" else S3Handler) as server:
        where = f"rest:http://{USER}:{quote(SECRET)}@{server.address}/shop/" if protocol == "rest" else f"s3:http://{server.address}/shop"
        secrets = {} if protocol == "rest" else {"AWS_ACCESS_KEY_ID": USER, "AWS_SECRET_ACCESS_KEY": SECRET}
        place.options.update(repository=where, environment=secrets)
        missing = place.run("restic_verify")
        assert "there is no repository" in summary_of(missing, "backup.present"), missing
        place.backup()
        (place.app / "config" / "app.json").write_text('{"port": 8082}')
        place.backup()
        found = place.run("restic_verify", level="content", remember=True)
        assert found["status"] == "ok" and SECRET not in repr(found), found
        size = sum(map(len, server.objects.values()))
        forgotten = place.run("restic_forget", keep_last=1, prune=True)
        assert len(forgotten["removed"]) == 1 and forgotten["pruned"] and sum(map(len, server.objects.values())) < size
        for name in ("data.bin", "current"):
            (place.app / name).unlink()
        assert not place.run("restic_restore").get("failed")
        assert place.tree() == {**whole, "config/app.json": b'{"port": 8082}'}
        assert {asked.split()[0] for asked in server.asked} >= {"GET", "HEAD", "DELETE", "POST" if protocol == "rest" else "PUT"}

        # One byte of one pack is another one; its name is the hash of what it was.
        pack = max((name for name in server.objects if "/data/" in name), key=lambda name: len(server.objects[name]))
        good = server.objects[pack]
        server.objects[pack] = good[:99] + bytes([good[99] ^ 1]) + good[100:]
        assert status_of(place.run("restic_verify", level="content"), "backup.readable") == "critical"
        server.objects[pack] = good
        stranger = {"repository": where.replace(USER, "stranger"), "environment": {**secrets, "AWS_ACCESS_KEY_ID": "stranger"}}
        refused = place.run("restic_verify", **stranger)
        assert "the server refuses access" in summary_of(refused, "backup.present"), refused
        assert SECRET not in repr(refused) and quote(SECRET) not in repr(refused)
        server.stop()
        gone = place.run("restic_verify", timeout_seconds=20)
        assert status_of(gone, "backup.present") == "unknown", gone


def test_what_is_dated_in_the_future_is_not_the_newest(place: Place) -> None:
    made = place.backup()["backup"]["snapshot"]
    ahead = ("--tag", "upkeep,label=shop-app1", "--host", "app1", "--time", "2126-01-01 00:00:00")
    place.restic("backup", *ahead, str(place.app / "data.bin"))
    found = place.run("restic_verify", level="readable", return_all=True)
    assert (status_of(found, "backup.future"), status_of(found, "backup.age")) == ("warning", "ok"), found
    assert [row["snapshot"] for row in found["backups"]] == [made]
    assert place.run("restic_fetch", _ansible_check_mode=True)["backup"]["snapshot"] == made


def test_the_password_of_an_address_is_masked_everywhere(place: Place) -> None:
    place.options["repository"] = "rest:http://backup:s3cret%2Fword@127.0.0.1:1/shop"
    for module, options in (("restic_backup", {"init": True, **place.sources}), ("restic_verify", {}), ("restic_restore", {})):
        answer = place.run(module, **options)
        text = repr(answer)
        assert "s3cret" not in text and "it cannot be reached" in text and "backup:***@127.0.0.1:1" in text


def test_patterns_mean_the_same_as_in_the_archive_engine(place: Place) -> None:
    names = ["a", "ab", "a.log", "b.log", "x[1]", "a-b", "^c", "!d", "a*b", "q\\w", "node_modules", "]"]
    chance = random.Random(7)
    first = place.folder / "tr[e]e 0"

    def grow(folder: Path, depth: int) -> None:
        folder.mkdir()
        for name in chance.sample(names, 5):
            if depth and chance.random() < 0.6:
                grow(folder / name, depth - 1)
            else:
                (folder / name).write_text("")

    grow(first, 3)
    patterns = (
        "a", "*.log", "[!a]*", "[a-b]*", "x[[]1]", "[]]", "q\\w", "a/b.log", "*/a", "*b*/a*", "a*/node_modules", "[^c]*", "?", "a**b",
        "./ab/", "*/*/*/a*",
    )
    trees, expected = [], set()
    for number, pattern in enumerate(patterns):
        root = place.folder / f"tr[e]e {number}"
        if number:
            shutil.copytree(first, root)
        trees.append(Tree(str(root), (pattern,)))
        exclusions = Exclusions([pattern])
        for folder, folders, files in os.walk(root):
            for name in [*folders, *files]:
                path = os.path.join(folder, name)
                if exclusions.matching(name, path, str(root)) is None:
                    expected.add(path)
                elif name in folders:
                    folders.remove(name)
    place.restic("backup", "--quiet", *[f"--exclude={text}" for text in restic_patterns(trees)], *[tree.path for tree in trees])
    listed = {line for line in place.restic("ls", "--quiet", "latest").splitlines() if "/tr[e]e " in line}
    assert listed - {tree.path for tree in trees} == expected


def test_two_runs_at_once_do_not_meet(place: Place) -> None:
    place.backup()
    processes = [place.start("restic_backup", **place.sources, lock_wait_seconds=60) for _number in range(2)]
    assert not [answer["msg"] for answer in map(answer_of, processes) if answer.get("failed")]
    assert place.snapshots() == 3
