"""A platform comes back from its backup, or stays byte for byte as it was: a refusal, a failure, SIGKILL, and back again."""

from __future__ import annotations

import getpass
import hashlib
import json
import random
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_plan
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS, House, Outcome, Started, listing
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import run_module

CONFIRMED = {"upkeep_confirm": "Test platform"}


@dataclass
class Site:
    """A platform with an application, its configuration, a database, and two backups of all of it: version 1, and later version 2.

    The application is healthy while its file ``health`` says so.
    """

    house: House
    backups: list[Path]

    @property
    def application(self) -> Path:
        return self.house.application

    @property
    def configuration(self) -> Path:
        return self.house.watched / "etc" / "app.conf"

    @property
    def database(self) -> Path:
        return self.house.watched / "data" / "app.sqlite"

    @property
    def page(self) -> Path:
        return self.house.watched / "run" / "maintenance"

    def live(self) -> dict[str, str]:
        """Return what users of the platform see, as it is on disk."""
        files = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.configuration, self.database)}
        return {**listing(self.application), **files}

    def version(self) -> tuple[str, str]:
        """Return the version that the files and the database are of."""
        with closing(sqlite3.connect(self.database)) as connection:
            (rows,) = connection.execute("SELECT version FROM app").fetchall()
        return (self.application / "version").read_text(), str(rows[0])

    def install(self, version: str, health: str) -> None:
        (self.application / "version").write_text(version)
        (self.application / "health").write_text(health)
        with closing(sqlite3.connect(self.database)) as connection:
            with connection:
                connection.execute("CREATE TABLE IF NOT EXISTS app (version TEXT)")
                connection.execute("DELETE FROM app")
                connection.execute("INSERT INTO app VALUES (?)", (version,))

    def record(self) -> dict[str, Any]:
        return json.loads((self.house.state / "alpha" / "recovery.json").read_text())

    def destroy(self) -> None:
        """Do what a disaster does."""
        (self.application / "version").write_text("broken")
        (self.application / "server.js").unlink()
        (self.application / "intruder").write_text("new")
        self.configuration.write_text("nonsense")
        with closing(sqlite3.connect(self.database)) as connection:
            with connection:
                connection.execute("UPDATE app SET version = 'lost'")


@pytest.fixture
def site(house: House) -> Site:
    etc = house.watched / "etc"
    for folder in (etc, house.watched / "run", house.watched / "data", house.application / "node_modules"):
        folder.mkdir()
    house.variables["upkeep_platform"] = {
        "name": "Test platform",
        "root": str(house.application),
        "owner": getpass.getuser(),
        "databases": [{"type": "sqlite", "path": str(house.watched / "data" / "app.sqlite")}],
        "backup": {
            "directory": str(house.watched / "backups"),
            "accept": ["special_bits"],
            "sources": [
                {"name": "application", "paths": [str(house.application)], "exclude": ["node_modules"]},
                {"name": "configuration", "paths": [str(etc / "*.conf")]},
            ],
        },
        "recovery": {
            "maintenance_file": str(house.watched / "run" / "maintenance"),
            "env_files": [{"path": str(house.application / ".env"), "required_keys": ["TOKEN"]}],
            "configuration_checks": [{"command": ["grep", "-q", "right", str(etc / "app.conf")]}],
            "health_seconds": 2,
            "health_consecutive": 2,
        },
    }
    # No systemd and no web server here: what must be healthy is a file of the application.
    healthy = {"type": "command", "name": "app", "argv": ["grep", "-q", "fine", str(house.application / "health")], "consecutive": 2}
    house.variables.update(recovery_probes=[{**healthy, "interval_seconds": 0.1}], recovery_inner_probes=[])
    (etc / "app.conf").write_text("right")
    (house.application / "node_modules" / "kept").write_text("never in a backup")
    (house.application / ".env").write_text("TOKEN=very-secret-value\n")
    (house.application / "server.js").write_text("serve()")
    (house.application / "server.js").chmod(0o4755)
    made = Site(house, [])
    for version, health in (("1", "fine"), ("2", "ill")):
        made.install(version, health)
        made.backups.append(create_backup(house))
        time.sleep(1.1)  # the name of a backup tells whole seconds
    made.install("3", "fine")
    return made


def create_backup(house: House) -> Path:
    plan = backup_plan(validate_platform(house.platform).platform, Host("alpha", []))
    answer = run_module("backup_create", {
        **{key: plan[key] for key in ("sources", "dumps", "destination", "label", "platform", "host", "accept")},
        "state_directory": str(house.state / "alpha"),
    })
    return Path(answer["backup"]["path"])


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_check_mode_shows_the_plan_refuses_what_would_be_refused_and_writes_nothing(site: Site) -> None:
    site.destroy()
    before = listing(site.house.watched)
    done = site.house.run("disaster_recovery", "--check", recovery_backup=site.backups[0].name)
    assert listing(site.house.watched) == before
    assert done.rc == 2, "nobody has confirmed it"
    said = re.sub(r"\s+", " ", done.output)
    assert "REFUSED: nobody has confirmed that Test platform" in said
    assert "maintenance page" in said and "grep -q right" in said
    differs = done.check("alpha", "backup.restore", str(site.application))["summary"]
    assert f"would be restored from {site.backups[0]}: 1 added, 2 changed, 1 removed" in differs
    assert "would be restored" in done.check("alpha", "database.restore")["summary"]
    assert "very-secret-value" not in done.output


def test_a_version_that_does_not_become_healthy_leaves_everything_and_what_an_earlier_recovery_has_kept(site: Site) -> None:
    site.destroy()
    disaster = site.live()
    assert site.house.run("disaster_recovery", **CONFIRMED, recovery_backup=site.backups[0].name).rc == 0
    before = site.live()
    done = site.house.run("disaster_recovery", **CONFIRMED, recovery_backup=site.backups[1].name, upkeep_fail_on="never")
    assert done.rc == 2, "whatever upkeep_fail_on says"
    assert site.live() == before
    result = done.check("alpha", "recovery.result")
    assert result["status"] == "critical"
    assert "failed in the step health" in result["summary"] and "Everything was put back" in result["summary"]
    assert done.check("alpha", "service.command")["status"] == "ok", "it is looked at again when all is as before"
    assert not site.page.exists() and not (site.house.state / "alpha" / "lease.json").exists()
    back = site.house.run("rollback", **CONFIRMED, recovery_probes=[])
    assert back.rc == 0, back.output
    assert site.live() == disaster, "what was there before the first of them"
    assert site.record()["phase"] == "rolled_back"


def kill_in_the_middle(run: Started, site: Site, delay: float) -> None:
    """Kill a recovery, with every process of it, some time after it has noted that it begins to exchange.

    At the latest when it takes the maintenance page away: one that has noted its good end is an earlier recovery, and no killed one.
    """
    note, end = site.house.state / "alpha" / "recovery.json", time.monotonic() + PATIENCE_SECONDS
    while not (note.exists() and '"begun"' in note.read_text()):
        assert run.process.poll() is None and time.monotonic() < end, run.output()
        time.sleep(0.005)
    end = time.monotonic() + delay
    while site.page.exists() and time.monotonic() < end:
        time.sleep(0.005)
    run.kill()


def test_killed_in_the_middle_the_next_run_completes_and_rollback_finds_what_was_there_first(
    site: Site, chance: random.Random, fault_runs: int
) -> None:
    damage(site.backups[1])
    for number in range(max(1, fault_runs // 5)):
        site.destroy()
        disaster = site.live()
        run = site.house.start("disaster_recovery", **CONFIRMED)
        kill_in_the_middle(run, site, chance.random() * 6)
        killed = site.record()["run_id"]
        if not number:
            blocked = site.house.run("disaster_recovery", **CONFIRMED)
            assert blocked.rc == 2
            assert f"recovery_continue={killed}" in blocked.check("alpha", "recovery.result")["summary"]
        comes_back(site, site.house.run("disaster_recovery", **CONFIRMED, recovery_continue=killed))
        back = site.house.run("rollback", **CONFIRMED, recovery_probes=[])
        assert back.rc == 0, back.output
        assert site.live() == disaster, "what is kept is what was there before the run that was killed"
        assert site.record()["phase"] == "rolled_back"


def comes_back(site: Site, done: Outcome) -> None:
    """Assert that the platform is as it was at the first backup, and that the report says what somebody wants to know."""
    assert done.rc == 0, done.output
    assert done.check("alpha", "recovery.backup")["status"] == "warning", "the newest is damaged, and its data are lost"
    assert (site.version(), site.configuration.read_text()) == (("1", "1"), "right")
    assert not (site.application / "intruder").exists()
    assert (site.application / "server.js").stat().st_mode & 0o7777 == 0o4755, "backup.accept says that it is right"
    assert (site.application / "node_modules" / "kept").read_text() == "never in a backup"
    assert (site.application / ".env").stat().st_mode & 0o777 == 0o600
    assert not site.page.exists() and not (site.house.state / "alpha" / "lease.json").exists()
    took = done.check("alpha", "recovery.time")
    assert set(took["evidence"]["steps"]) >= {"preflight", "maintenance", "stop", "restore_files", "restore_databases", "start", "health"}
    assert 0 < took["evidence"]["down_seconds"] <= took["value"] < PATIENCE_SECONDS
    assert done.check("alpha", "recovery.point")["value"] > 0
    assert "very-secret-value" not in done.output + json.dumps(done.record)
