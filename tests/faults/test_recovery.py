"""A platform comes back from its backup, or stays byte for byte as it was: refusals, failures, SIGKILL, and back again."""

from __future__ import annotations

import getpass
import json
import random
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS, House, Started, listing
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, start_module

CONFIRMED = {"upkeep_confirm": "Test platform"}


@dataclass
class Site:
    """A platform with an application, its configuration and two backups of it: version 1, and a later one of version 2.

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
    def page(self) -> Path:
        return self.house.watched / "run" / "maintenance"

    def live(self) -> dict[str, str]:
        """Return what users of the platform see, as it is on disk."""
        return {**listing(self.application), **listing(self.configuration.parent, leave_out=tuple(self.kept()))}

    def kept(self) -> list[str]:
        """Return the private folders beside the targets, and what is in them by name."""
        folders = [*self.house.watched.glob(".upkeep-restore-*"), *self.configuration.parent.glob(".upkeep-restore-*")]
        return [path.name for folder in folders for path in (folder, *folder.rglob("*"))]

    def version(self) -> str:
        return (self.application / "version").read_text()

    def record(self) -> dict[str, Any]:
        return json.loads((self.house.state / "alpha" / "recovery.json").read_text())

    def destroy(self) -> None:
        """Do what a disaster does."""
        (self.application / "version").write_text("broken")
        (self.application / "server.js").unlink()
        (self.application / "intruder").write_text("new")
        self.configuration.write_text("nonsense")


@pytest.fixture
def site(house: House) -> Site:
    etc = house.watched / "etc"
    for folder in (etc, house.watched / "run", house.application / "node_modules"):
        folder.mkdir()
    house.variables["upkeep_platform"] = {
        "name": "Test platform",
        "root": str(house.application),
        "owner": getpass.getuser(),
        "services": [{"name": "page", "http": "http://127.0.0.1:1/"}],
        "backup": {
            "directory": str(house.watched / "backups"),
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
    backups = []
    for version, health in (("1", "fine"), ("2", "ill")):
        (house.application / "version").write_text(version)
        (house.application / "health").write_text(health)
        backups.append(create_backup(house))
        time.sleep(1.1)  # the name of a backup tells whole seconds
    (house.application / "health").write_text("fine")
    return Site(house, backups)


def create_backup(house: House) -> Path:
    sources = house.variables["upkeep_platform"]["backup"]["sources"]
    answer = answer_of(start_module("backup_create", {
        "sources": sources, "destination": str(house.watched / "backups"), "label": "test-platform-alpha", "platform": "Test platform",
        "host": "alpha", "state_directory": str(house.state / "alpha"),
    }))
    return Path(answer["backup"]["path"])


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_check_mode_shows_the_plan_and_writes_nothing(site: Site) -> None:
    site.destroy()
    before = listing(site.house.watched)
    done = site.house.run("disaster_recovery", "--check", recovery_backup=site.backups[0].name)
    assert done.rc == 2, "without a confirmation it is refused in check mode, too"
    said = re.sub(r"\s+", " ", done.output)
    assert "REFUSED: nobody has confirmed that Test platform" in said
    differs = done.check("alpha", "backup.restore", str(site.application))["summary"]
    assert f"would be restored from {site.backups[0]}: 1 added, 3 changed, 1 removed" in differs
    assert "maintenance page" in said and "grep -q right" in said
    assert "very-secret-value" not in done.output
    confirmed = site.house.run("disaster_recovery", "--check", **CONFIRMED, recovery_backup=site.backups[0].name)
    assert confirmed.rc == 0, confirmed.output
    assert confirmed.check("alpha", "recovery.result")["status"] == "ok"
    assert listing(site.house.watched) == before


def test_a_damaged_backup_is_refused_before_anything_is_touched(site: Site) -> None:
    damage(site.backups[0])
    before = listing(site.house.watched, leave_out=("state", "lock", "reports", "alpha"))
    done = site.house.run("disaster_recovery", **CONFIRMED, recovery_backup=str(site.backups[0]))
    assert done.rc == 2
    assert "refused before anything was touched" in done.check("alpha", "recovery.result")["summary"]
    assert site.backups[0].name in done.check("alpha", "recovery.preflight")["summary"]
    after = listing(site.house.watched, leave_out=("state", "lock", "reports", "alpha"))
    assert {path: after[path] for path in before} == before
    assert not (site.house.state / "alpha" / "recovery.json").exists()


def test_the_newest_that_verifies_brings_the_platform_back_and_rollback_takes_it_away(site: Site) -> None:
    damage(site.backups[1])
    site.destroy()
    disaster = site.live()
    done = site.house.run("disaster_recovery", **CONFIRMED)
    assert done.rc == 0, done.output
    assert done.check("alpha", "recovery.backup")["status"] == "warning", "data of the damaged one are lost"
    assert (site.version(), site.configuration.read_text()) == ("1", "right")
    assert not (site.application / "intruder").exists()
    assert (site.application / "node_modules" / "kept").read_text() == "never in a backup"
    assert (site.application / ".env").stat().st_mode & 0o777 == 0o600
    assert not site.page.exists() and not (site.house.state / "alpha" / "lease.json").exists()
    time_check = done.check("alpha", "recovery.time")
    assert set(time_check["evidence"]["steps"]) >= {"preflight", "maintenance", "stop", "restore_files", "environment", "start", "health"}
    assert 0 < time_check["evidence"]["down_seconds"] <= time_check["value"] < PATIENCE_SECONDS
    assert done.check("alpha", "recovery.point")["value"] > 0
    assert "very-secret-value" not in done.output + json.dumps(done.record)

    back = site.house.run("rollback", **CONFIRMED, recovery_probes=[])
    assert back.rc == 0, back.output
    assert site.live() == disaster
    assert site.record()["phase"] == "rolled_back"
    assert "nothing to take back" in re.sub(r"\s+", " ", site.house.run("rollback", **CONFIRMED).output)


def test_a_version_that_does_not_become_healthy_leaves_everything_as_it_was(site: Site) -> None:
    before = site.live()
    done = site.house.run("disaster_recovery", **CONFIRMED, recovery_backup=site.backups[1].name, upkeep_fail_on="never")
    assert done.rc == 2, "whatever upkeep_fail_on says"
    assert site.live() == before
    result = done.check("alpha", "recovery.result")
    assert result["status"] == "critical"
    assert "failed in the step health" in result["summary"] and "Everything was put back" in result["summary"]
    assert done.check("alpha", "service.command")["status"] == "ok", "it is looked at again when all is as before"
    assert site.record()["phase"] == "undone"
    assert not site.page.exists() and not (site.house.state / "alpha" / "lease.json").exists()


def test_a_restored_configuration_that_is_wrong_goes_back_before_databases_are_touched(site: Site) -> None:
    site.configuration.write_text("mistaken")
    newest = create_backup(site.house)
    before = site.live()
    done = site.house.run("disaster_recovery", **CONFIRMED, recovery_backup=newest.name)
    assert done.rc == 2
    assert "failed in the step configuration" in done.check("alpha", "recovery.result")["summary"]
    assert site.live() == before


def kill_in_the_middle(run: Started, site: Site, delay: float) -> None:
    """Kill a recovery, with every process of it, some time after it has noted that it begins to exchange."""
    note, end = site.house.state / "alpha" / "recovery.json", time.monotonic() + PATIENCE_SECONDS
    while not (note.exists() and '"begun"' in note.read_text()):
        assert run.process.poll() is None and time.monotonic() < end, run.output()
        time.sleep(0.005)
    time.sleep(delay)
    run.kill()


def test_killed_in_the_middle_the_next_run_completes_and_keeps_what_was_there_first(
    site: Site, chance: random.Random, fault_runs: int
) -> None:
    kills = max(1, fault_runs // 5)
    for _kill in range(kills):
        site.destroy()
        disaster = site.live()
        shutil.rmtree(site.house.state / "alpha", ignore_errors=True)
        run = site.house.start("disaster_recovery", **CONFIRMED, recovery_backup=site.backups[0].name)
        kill_in_the_middle(run, site, chance.random() * 4)
        if site.record()["phase"] == "recovered":
            continue  # it was faster
        killed = site.record()["run_id"]
        blocked = site.house.run("disaster_recovery", **CONFIRMED)
        assert blocked.rc == 2
        assert killed in blocked.output and "recovery_continue" in blocked.output

        done = site.house.run("disaster_recovery", **CONFIRMED, recovery_backup=site.backups[0].name, recovery_continue=killed)
        assert done.rc == 0, done.output
        assert (site.version(), site.configuration.read_text()) == ("1", "right")
        assert not site.page.exists() and not (site.house.state / "alpha" / "lease.json").exists()
        back = site.house.run("rollback", **CONFIRMED, recovery_probes=[])
        assert back.rc == 0, back.output
        assert site.live() == disaster, "what is kept is what was there before the run that was killed"
