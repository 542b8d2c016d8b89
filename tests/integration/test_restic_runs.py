"""The playbooks with the engine restic: made, looked at, drilled, pruned and recovered from like archives."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, listening
from ansible_collections.upkeep.runbook.tests.faults.house import listing as tree


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with listening() as port, closing(House(tmp_path, port)) as made:
        password = made.watched / "password"
        password.write_text("correct horse battery\n")
        password.chmod(0o600)
        (made.application / "node_modules").mkdir()
        (made.application / "node_modules" / "kept").write_text("never in a backup")
        (made.application / "ticks.js").write_bytes(os.urandom(50_000))
        (made.application / "ticks.js").chmod(0o4755)
        (made.application / "health").write_text("fine")
        made.variables["upkeep_platform"] = {
            "name": "Test platform",
            "root": str(made.application),
            "owner": getpass.getuser(),
            "services": [{"name": "page", "http": "http://127.0.0.1:1/"}],
            "backup": {
                "directory": str(made.watched / "unused"),
                "engine": "restic",
                "restic": {"repository": str(made.watched / "repository"), "password_file": str(password)},
                "sources": [{"name": "application", "paths": [str(made.application)], "exclude": ["node_modules"]}],
                "require": ["files/*/application/ticks.js"],
                "keep": {"last": 1},
                "accept": ["special_bits"],
                "drill": {"files": [str(made.application / "ticks.js")]},
            },
            "recovery": {"health_seconds": 2, "health_consecutive": 2},
        }
        healthy = {"type": "command", "name": "app", "argv": ["grep", "-q", "fine", str(made.application / "health")]}
        made.variables.update(recovery_probes=[{**healthy, "consecutive": 2, "interval_seconds": 0.1}], recovery_inner_probes=[])
        yield made


def test_backup_daily_drill_and_recovery(house: House) -> None:
    refused = house.run("backup")
    assert refused.rc == 2 and "there is no repository" in refused.output, "it is made when that is asked for"
    before = tree(house.watched)
    would = house.run("backup", "--check", backups_restic_init=True)
    assert would.rc == 0 and "The repository would be made before." in would.output, would.output
    assert tree(house.watched) == before

    first = house.run("backup", backups_restic_init=True)
    assert first.rc == 0, first.output
    snapshot = first.check("alpha", "backup.create")["summary"].split()[1]
    assert first.check("alpha", "backup.prune")["status"] == "ok"
    daily = house.run("daily", "--tags", "backups")
    assert daily.rc == 0, daily.output
    assert daily.check("alpha", "backup.drill")["status"] == "ok" and daily.check("alpha", "backup.manifest")["status"] == "ok"
    assert "backup.drill" not in {key[2] for key in house.run("daily", "--tags", "backups").statuses()}, "tried a moment ago"

    described = house.variables["upkeep_platform"]["backup"]
    described["min_bytes"] = 10**9
    small = house.run("health_check", "--tags", "backups")
    assert small.check("alpha", "backup.size")["status"] == "critical", "figures of the description hold for snapshots too"
    del described["min_bytes"]

    whole = tree(house.application)
    (house.application / "ticks.js").unlink()
    broken = house.run("backup")
    assert broken.rc == 2 and broken.check("alpha", "backup.content")["status"] == "critical", "a member that is required is missing"
    assert "backup.prune" not in {key[2] for key in broken.statuses()}
    (house.application / "intruder").write_text("new")
    done = house.run("disaster_recovery", upkeep_confirm="Test platform", recovery_backup=snapshot)
    assert done.rc == 0, done.output
    assert tree(house.application) == whole
    assert (house.application / "ticks.js").stat().st_mode & 0o7777 == 0o4755, "backup.accept says that it is right"
    assert "correct horse" not in first.output + daily.output + done.output
