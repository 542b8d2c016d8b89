"""A recovery that cannot be done is refused before anything stops, and one that fails puts everything back."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from breaking import BACKUPS, KEPT_BACKUPS
from containers import Container
from destroying import BACKEND, go_on, postgresql_killed_in_restore
from states import not_running, processes, state
from upkeep_run import CONFIRMED, FAILED, Run


def newest(app: Container, folder: str = BACKUPS) -> str:
    """The path of the newest backup of our own."""
    return app.sh(f"ls {folder}/*.manifest.json | tail -n 1").strip().removesuffix(".manifest.json")


@pytest.fixture(scope="module")
def backup(app: Container) -> str:
    """A good backup, after which work went on: whoever restores it changes something. No run prunes it where it is."""
    go_on(app)
    return newest(app, KEPT_BACKUPS)


@contextmanager
def nothing_is_touched(app: Container) -> Iterator[None]:
    """Prove that the same processes serve the same data afterwards."""
    before, running = state(app), processes(app)
    yield
    assert processes(app) == running
    assert state(app) == before


@contextmanager
def everything_is_put_back(app: Container) -> Iterator[None]:
    """Prove that the same data are served afterwards."""
    before = state(app)
    yield
    after = state(app)
    assert (after.files, after.data(), after.keys) == (before.files, before.data(), before.keys)
    assert [name for name in after.database["databases"] if "_upkeep_" in name] == []
    assert not_running(app) == set()
    app.sh("test ! -e /var/www/maintenance/enabled")
    app.wait_for_services()


FLIP = """
import os
status = os.stat(PATH)
with open(PATH, "r+b") as file:
    file.seek(status.st_size // 2)
    byte = file.read(1)
    file.seek(-1, os.SEEK_CUR)
    file.write(bytes([byte[0] ^ 1]))
os.utime(PATH, ns=(status.st_atime_ns, status.st_mtime_ns))
"""


@contextmanager
def flipped_bit(app: Container, path: str) -> Iterator[None]:
    """Let one bit in the middle of a file be another one, for a while; its size and time stay."""
    flip = f"python3 -c {shlex.quote(f'PATH = {path!r}{FLIP}')}"
    app.sh(flip)
    try:
        yield
    finally:
        app.sh(flip)


def test_check_mode_shows_the_plan_and_changes_nothing(app: Container, well: Callable[..., Run], backup: str) -> None:
    app.sh("touch /run/marker && sleep 0.1")
    with nothing_is_touched(app):
        run = well("disaster_recovery", "--check", "--diff", **CONFIRMED, recovery_backup=backup)
    assert app.changed_since("/run/marker") == []
    assert backup.rpartition("/")[2] in run.output


def test_recovery_of_another_platform_is_refused(app: Container, play: Callable[..., Run], backup: str) -> None:
    with nothing_is_touched(app):
        run = play("disaster_recovery", upkeep_confirm="Another Platform")
    assert run.status == FAILED, run.output
    assert "upkeep_confirm" in run.output


def test_damaged_backup_is_refused(app: Container, play: Callable[..., Run], backup: str) -> None:
    with nothing_is_touched(app), flipped_bit(app, backup):
        run = play("disaster_recovery", **CONFIRMED, recovery_backup=backup)
    assert run.status == FAILED, run.output
    assert backup.rpartition("/")[2] in run.output


def test_version_that_does_not_become_healthy(app: Container, play: Callable[..., Run], well: Callable[..., Run], backup: str) -> None:
    app.sh(f"cp -p {BACKEND} /opt/good.js && sed -i 's/found.status === \"ok\" ? 200 : 503/500/' {BACKEND}")
    well("backup")
    sick = newest(app)
    app.sh(f"mv /opt/good.js {BACKEND}")
    with everything_is_put_back(app):
        run = play("disaster_recovery", **CONFIRMED, recovery_backup=sick, recovery_health_seconds=8)
    app.sh(f"rm {sick}* && cp --preserve {KEPT_BACKUPS}/* {BACKUPS}")
    assert run.status == FAILED, run.output


def test_postgresql_that_is_killed_in_the_middle_of_the_restore(app: Container, play: Callable[..., Run], backup: str) -> None:
    with everything_is_put_back(app), postgresql_killed_in_restore(app):
        run = play("disaster_recovery", **CONFIRMED, recovery_backup=backup)
    assert run.status == FAILED, run.output
