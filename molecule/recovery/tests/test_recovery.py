"""A platform that was destroyed comes back as it was when the backup was made, and goes back when that was a mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from containers import Container
from destroying import destroy, go_on
from states import State, not_running, state
from upkeep_run import CONFIRMED, Run

STEPS = {"preflight", "maintenance", "stop", "restore_files", "configuration", "restore_databases", "packages", "start", "health"}


@dataclass(frozen=True)
class Recovered:
    """A recovery, and the platform at the time of its backup and afterwards."""

    then: State
    run: Run
    now: State


@pytest.fixture(scope="module")
def recovered(app: Container, well: Callable[..., Run]) -> Recovered:
    """A day of work after the backup, and everything is lost."""
    well("backup")
    then = state(app)
    go_on(app)
    destroy(app)
    run = well("disaster_recovery", **CONFIRMED)
    return Recovered(then, run, state(app))


def test_files_are_those_of_the_backup(recovered: Recovered) -> None:
    """And the packages that it left out are there again, of the same owner."""
    assert recovered.now.files == recovered.then.files


def test_rows_are_those_of_the_backup(recovered: Recovered) -> None:
    assert recovered.now.data() == recovered.then.data()
    assert int(recovered.then.database["ticks, newest, accounts"].split("|")[0]) >= 10_000


def test_keys_are_those_of_the_backup(recovered: Recovered) -> None:
    assert recovered.now.keys == recovered.then.keys


def test_nothing_is_left_of_loading_the_dumps(recovered: Recovered) -> None:
    assert [name for name in recovered.now.database["databases"] if "_upkeep_" in name] == []


def test_logs_of_the_past_are_there(recovered: Recovered, app: Container) -> None:
    assert app.sh("zcat -f /opt/neurosensefx/logs/backend.log* | grep --count 'the 20000th'").strip() == "1"


def test_services_run_and_the_platform_is_healthy(recovered: Recovered, app: Container, well: Callable[..., Run]) -> None:
    assert not_running(app) == set()
    # The logs and the visitors tell of the disaster itself, and nobody has accepted the files of the backup yet.
    daily = well("daily", "--skip-tags", "log_review,traffic,security_audit")
    assert (daily.health, daily.problems()) == ("HEALTHY", set())


def test_visitors_no_longer_see_the_maintenance_page(recovered: Recovered, app: Container) -> None:
    app.sh("test ! -e /var/www/maintenance/enabled")


def test_time_of_each_step_is_in_the_record(recovered: Recovered) -> None:
    checks = recovered.run.record["hosts"]["nsfx-app-1"]["roles"]["recovery"]["checks"]
    (took,) = (check for check in checks if check["check"] == "recovery.time")
    steps = took["evidence"]["steps"]
    assert STEPS <= set(steps)
    assert 0 < took["evidence"]["down_seconds"] < sum(steps.values()) <= took["value"]
    (point,) = (check for check in checks if check["check"] == "recovery.point")
    assert point["value"] > 0


def test_rollback_brings_back_what_a_recovery_replaced(app: Container, well: Callable[..., Run], recovered: Recovered) -> None:
    go_on(app)
    changed = state(app)
    well("disaster_recovery", **CONFIRMED)
    assert state(app) != changed
    well("rollback", **CONFIRMED)
    back = state(app)
    assert (back.files, back.data(), back.keys) == (changed.files, changed.data(), changed.keys)
    assert not_running(app) == set()
