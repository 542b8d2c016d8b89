"""Backups are made while files change, are killed at any moment, and find the disk full: what has the name of a backup is whole."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.backups import creating
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.inspection import verify_backups
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import backup_create, backup_verify
from ansible_collections.upkeep.runbook.tests.faults.forking import forked
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS
from ansible_collections.upkeep.runbook.tests.faults.small_disk import small_disk

#: Backups that are killed for each of FAULT_RUNS: 3 are 30, 20 are 200.
KILLS = 10
#: Calls that change something while a backup is given its name; a run is killed before each of them.
CHANGES = ("rename", "unlink", "fsync")
FILES, FILE_BYTES = 400, 3000


def plant(root: Path, chance: random.Random, files: int = FILES) -> Path:
    """Make a tree of files that cannot be packed well."""
    for number in range(files):
        path = root / f"folder-{number % 7}" / f"file-{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(FILE_BYTES))
    with open(root / "large", "wb") as stream:
        stream.truncate(18 * 1024 * 1024)
    return root


def options(tmp_path: Path, **more: Any) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in backup_create.argument_spec().items()}
    source = {"name": "app", "paths": [str(tmp_path / "app")], "exclude": [], "one_file_system": True}
    return {
        **defaults, "sources": [source], "destination": str(tmp_path / "backups"), "label": "app",
        "state_directory": str(tmp_path / "state"), "min_free_percent": 0.0, **more,
    }


def create(given: dict[str, Any]) -> dict[str, Any]:
    return creating.create_backup(given, now=utc_now(), check_mode=False)


def shown(folder: Path) -> list[str]:
    """Return the names of what looks like a backup."""
    names = os.listdir(folder) if folder.exists() else []
    return sorted(name for name in names if not name.startswith(".") and not name.endswith(".json") and name != "filler")


def refuse_broken(folder: Path, names: list[str]) -> None:
    """Fail unless these backups are whole: every byte is read and compared with the manifest inside and beside it."""
    defaults = {name: option.get("default") for name, option in backup_verify.argument_spec().items()}
    for name in names:
        answer = verify_backups({**defaults, "path": str(folder / name), "level": "content"}, now=utc_now(), read_only=True)
        if answer["status"] != "ok":
            pytest.fail(f"{name} looks like a backup: {answer['checks']}")


@contextmanager
def working(work: Callable[[], object]) -> Iterator[int]:
    """Do some work in a process of its own, which is gone afterwards."""
    child = forked(work)
    try:
        yield child
    finally:
        try:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def test_killed_at_any_moment(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    plant(tmp_path / "app", chance)
    given, folder = options(tmp_path), tmp_path / "backups"
    began = time.monotonic()
    create(given)
    whole = time.monotonic() - began
    killed = left = 0
    known = shown(folder)
    for kill in range(KILLS * fault_runs):
        with working(lambda: create({**given, "compression": ("zstd", "gzip", "none")[kill % 3]})) as child:
            time.sleep(whole * chance.random() * 1.2)
            done, _status = os.waitpid(child, os.WNOHANG)
            killed += not done
        now = shown(folder)
        assert set(known) <= set(now)
        refuse_broken(folder, [name for name in now if name not in known])
        left += len(os.listdir(folder)) != 2 * len(now)
        known = now
    answer = create(given)
    assert set(shown(folder)) == {*known, os.path.basename(answer["backup"]["path"])}
    assert len(os.listdir(folder)) == 2 * len(shown(folder)), "what killed runs left was not cleared away"
    assert killed, "every run had ended before it was killed"
    print(f"{killed} of {KILLS * fault_runs} backups were killed at work, {left} of them left something")


def die_before(step: int, given: dict[str, Any]) -> bool:
    """Make a backup in a process that kills itself before its call number ``step`` that changes something."""

    def work() -> None:
        calls = [step]

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **keywords: Any) -> Any:
                calls[0] -= 1
                if calls[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **keywords)

            return wrapped

        for name in CHANGES:
            setattr(os, name, dying(getattr(os, name)))
        create(given)

    with working(work) as child:
        status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status)


def test_killed_before_each_change_of_a_name(tmp_path: Path, chance: random.Random) -> None:
    plant(tmp_path / "app", chance, 5)
    given, folder = options(tmp_path), tmp_path / "backups"
    step = 0
    while die_before(step, given):
        refuse_broken(folder, shown(folder))
        assert all((folder / f"{name}.manifest.json").exists() for name in shown(folder))
        step += 1
    # The archive is synced, the manifest beside it synced and named, the archive named, the folder synced.
    assert step >= 5
    assert len(os.listdir(folder)) == 2 * len(shown(folder)) > 0


def test_a_full_disk_in_the_middle(tmp_path: Path, chance: random.Random, root: None) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "small").write_bytes(b"1")
    with small_disk(tmp_path / "backups", 4 * 1024 * 1024) as disk:
        disk.path.chmod(0o700)
        earlier = create(options(tmp_path))["backup"]
        before = {path.name: path.read_bytes() for path in disk.path.iterdir()}
        # The last backup was small, so that it is only found out in the middle that this one is not.
        for number in range(300):
            (app / f"file-{number}").write_bytes(chance.randbytes(9000))
        needed = 300 * 9000 + 2 * 300 * 300
        for share in (0.01, 0.1, 0.5, 0.9, 0.99):
            for compression in ("zstd", "gzip", "none"):
                disk.leave_free(int(needed * share))
                with pytest.raises(UpkeepError) as caught:
                    create(options(tmp_path, compression=compression))
                assert "No space left on device" in caught.value.message or "free; a backup" in caught.value.message
                disk.make_room()
                assert {path.name: path.read_bytes() for path in disk.path.iterdir()} == before
        mended = create(options(tmp_path))
        assert shown(disk.path) == sorted(os.path.basename(made["path"]) for made in (earlier, mended["backup"]))
        refuse_broken(disk.path, shown(disk.path))


def test_files_that_change_all_the_time(tmp_path: Path, chance: random.Random, fault_runs: int) -> None:
    """Small files are rewritten, made and removed while they are backed up; what the backup holds of each is one state of it."""
    app = plant(tmp_path / "app", chance, 50)
    stop = threading.Event()
    size = 60_000

    def write(number: int) -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            with open(app / f"busy-{number}", "wb", buffering=0) as stream:
                stream.write(b"%d" % (turn % 10) * (size // 2))
                stream.write(b"%d" % (turn % 10) * (size // 2))
            (app / f"passing-{number}-{turn % 3}").write_bytes(b"x")
            (app / f"passing-{number}-{(turn + 1) % 3}").unlink(missing_ok=True)
            time.sleep(0.03)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for writer in writers:
        writer.start()
    try:
        made = [create(options(tmp_path))["backup"] for _run in range(fault_runs)]
    finally:
        stop.set()
        for writer in writers:
            writer.join(PATIENCE_SECONDS)
    refuse_broken(tmp_path / "backups", shown(tmp_path / "backups"))
    for backup in made:
        manifest = json.loads(Path(backup["manifest_path"]).read_bytes())
        torn = {member["name"] for member in manifest["members"] if member.get("torn")}
        assert sorted(torn) == sorted(backup["torn"])
        for name in {member["name"] for member in manifest["members"] if "/busy-" in member["name"]} - torn:
            (member,) = [member for member in manifest["members"] if member["name"] == name]
            assert member["sha256"] in states(size), f"{name} is no state that it ever had"


def states(size: int) -> set[str]:
    """Return the checksums of all that a busy file ever was: emptied, half written, and whole."""
    return {hashlib.sha256(b"%d" % digit * length).hexdigest() for digit in range(10) for length in (0, size // 2, size)}
