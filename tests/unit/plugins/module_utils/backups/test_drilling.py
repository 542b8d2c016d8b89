"""Restores are tried with real archives: what is missing, empty, wrong or damaged is found, and the scratch folder goes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import drilling
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.creating import create_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_folder import PREFIX, drill_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drill_options import read_drill
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.drilling import Drilled, drill_backup
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules.backup_create import argument_spec


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A tree with a database beside it, and a folder for drills."""
    (tmp_path / "scratch").mkdir()
    app = tmp_path / "app"
    (app / "logs").mkdir(parents=True)
    (app / "package.json").write_text('{"name": "ticks"}')
    (app / "empty").write_text("")
    (app / "void").mkdir()
    (app / "out").symlink_to("/etc/hostname")
    (app / "in").symlink_to("package.json")
    with closing(sqlite3.connect(tmp_path / "ticks.db")) as database:
        database.execute("CREATE TABLE tick (price REAL)")
        database.executemany("INSERT INTO tick VALUES (?)", [(n,) for n in range(25)])
        database.commit()
    return app


def dumps(application: Path) -> list[dict[str, str]]:
    return [{"name": "ticks.sqlite", "type": "sqlite", "path": str(application.parent / "ticks.db")}]


def backed_up(application: Path, **options: Any) -> str:
    """Make a backup of the tree and return its path."""
    params = {name: option.get("default") for name, option in argument_spec().items()}
    given = {
        "sources": [{"name": "app", "paths": [str(application)], "exclude": [], "one_file_system": True}],
        "dumps": dumps(application), "destination": str(application.parent / "backups"), "label": "app", "compression": "gzip",
        "state_directory": str(application.parent / "state"),
    }
    made = create_backup({**params, **given, **options}, now=utc_now(), check_mode=False)
    return str(made["backup"]["path"])


def tried(application: Path, path: str, **options: Any) -> Drilled:
    drill = read_drill({"directory": str(application.parent / "scratch"), **options})
    done = drill_backup(path, drill, Limits(deadline=time.monotonic() + 60))
    assert os.listdir(application.parent / "scratch") == [], "nothing of it stays"
    return done


def test_a_backup_that_restores(application: Path) -> None:
    inner = str(application)[1:]
    done = tried(
        application, backed_up(application), files=[f"{application}/package.json", f"{application}/*.json", f"{application}/in"],
        command=["grep", "-q", "ticks", f"{inner}/package.json"], dumps=dumps(application),
    )
    assert (done.status, done.problems) == ("ok", [])
    assert done.databases == [{"name": "ticks.sqlite", "tables": 1, "rows": 25}]
    assert done.members == 7 and done.bytes == 17 and done.seconds > 0


@pytest.mark.parametrize(
    "name, words",
    [
        ("server.js", "server.js is not in the restored tree"),
        ("*.conf", "*.conf is not in the restored tree"),
        ("empty", "empty is empty in the restored tree"),
        ("void", "void is empty in the restored tree"),
        ("out", "out leads out of the restored tree"),
    ],
)
def test_files_that_must_be_there(application: Path, name: str, words: str) -> None:
    done = tried(application, backed_up(application), files=[f"{application}/{name}"], dumps=dumps(application))
    assert done.status == "critical" and len(done.problems) == 1
    assert done.problems[0][1].endswith(words)
    assert done.databases, "the databases are tried all the same"


@pytest.mark.parametrize(
    "command, status, words",
    [
        (["false"], "critical", "false failed with status 1"),
        (["sh", "-c", "echo no such thing >&2; exit 3"], "critical", "failed with status 3: no such thing"),
        (["no-such-program-anywhere"], "unknown", "no-such-program-anywhere cannot be run"),
        (["sh", "-c", 'test "$(ls -A)" && exit 9'], "critical", "status 9"),
    ],
)
def test_the_command_runs_in_the_restored_tree(application: Path, command: list[str], status: str, words: str) -> None:
    done = tried(application, backed_up(application), command=command)
    assert done.status == status
    assert words in done.problems[0][1]


def test_a_command_that_does_not_end(application: Path) -> None:
    drill = read_drill({"directory": str(application.parent / "scratch"), "command": ["sleep", "600"]})
    done = drill_backup(backed_up(application), drill, Limits(deadline=time.monotonic() + 0.5))
    assert (done.status, done.problems[0][1]) == ("critical", "sleep 600 did not end in time")
    assert os.listdir(application.parent / "scratch") == []


def test_a_user_that_is_not_there_is_unknown(application: Path) -> None:
    done = tried(application, backed_up(application), command=["true"], run_as="nobody-of-this-name")
    assert (done.status, done.problems[0][1]) == ("unknown", "drill.run_as: there is no user nobody-of-this-name on this host")


def test_dumps_that_are_not_in_the_backup_are_a_warning_and_damaged_ones_critical(application: Path) -> None:
    other = [*dumps(application), {"name": "orders.sqlite", "type": "sqlite", "path": "/x.db"}]
    path = backed_up(application)
    done = tried(application, path, dumps=other)
    assert done.status == "warning" and "orders.sqlite (SQLite database /x.db) is not in the backup" in done.problems[0][1]
    assert tried(application, path, dumps=other, databases=False).status == "ok"
    (application.parent / "ticks.db").unlink()
    not_a_database = [{"name": "notes.sqlite", "type": "sqlite", "path": str(application / "package.json")}]
    assert tried(application, path, dumps=not_a_database).status == "warning"


def test_a_dump_that_nobody_tried_is_named(application: Path) -> None:
    path = backed_up(application)
    done = tried(application, path)
    words = "ticks.sqlite is in the backup and was not tried, as drill.dumps does not describe it"
    assert (done.status, done.problems) == ("warning", [("warning", words)])
    assert tried(application, path, databases=False).status == "ok"


def test_a_damaged_archive_is_critical(application: Path) -> None:
    path = Path(backed_up(application, compression="none"))
    data = bytearray(path.read_bytes())
    data[data.index(b'{"name": "ticks"}')] ^= 1
    path.write_bytes(data)
    done = tried(application, str(path))
    assert done.status == "critical" and "package.json" in done.problems[0][1], done.problems


def test_an_archive_that_goes_away_meanwhile_is_unknown(application: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = backed_up(application)

    def removing(*_arguments: Any, **_options: Any) -> Any:
        os.unlink(path)
        raise UpkeepError("cannot be opened")

    monkeypatch.setattr(drilling, "restore_into", removing)
    done = tried(application, path)
    assert (done.status, done.problems[0][1]) == ("unknown", f"{path} was removed meanwhile")


def test_no_room_is_unknown_and_nothing_is_written(application: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = backed_up(application)
    real = os.statvfs

    def nearly_full(place: Any) -> Any:
        space = real(place)
        values = list(space)
        values[3] = values[4] = space.f_blocks * 5 // 100 + 2  # f_bfree, f_bavail
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "statvfs", nearly_full)
    done = tried(application, path)
    assert done.status == "unknown" and "there is no room for a drill in" in done.problems[0][1]
    assert done.members == 0


def test_an_archive_of_another_tool_is_unpacked_as_it_is(application: Path) -> None:
    import tarfile

    path = application.parent / "other.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(application / "package.json", "backup/package.json")
    assert tried(application, str(path), files=["backup/package.json"]).status == "ok"
    assert tried(application, str(path), files=["package.json"]).status == "critical"


def test_folders_of_killed_drills_go_and_those_in_use_stay(tmp_path: Path) -> None:
    left = tmp_path / f"{PREFIX}11111111"
    (left / "opt" / "app").mkdir(parents=True)
    left.chmod(0o700)
    (left / "opt" / "app" / "secret").write_text("x")
    shared = tmp_path / f"{PREFIX}22222222"
    shared.mkdir(mode=0o755)
    link = tmp_path / f"{PREFIX}33333333"
    link.symlink_to("/etc")
    in_use = tmp_path / f"{PREFIX}44444444"
    in_use.mkdir(mode=0o700)
    descriptor = os.open(in_use, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with drill_folder(str(tmp_path)) as folder:
        assert os.stat(folder).st_mode & 0o777 == 0o700
        with drill_folder(str(tmp_path)) as other:
            assert os.path.isdir(folder) and folder != other
    os.close(descriptor)
    assert sorted(path.name for path in tmp_path.iterdir()) == [shared.name, link.name, in_use.name]


def test_a_folder_that_cannot_be_used_is_told(application: Path, tmp_path: Path) -> None:
    drill = replace(read_drill({}), directory=str(tmp_path / "none"))
    done = drill_backup(backed_up(application), drill, Limits(deadline=time.monotonic() + 60))
    assert "cannot be used for a drill: No such file or directory" in done.problems[0][1]
    assert done.status == "unknown"
