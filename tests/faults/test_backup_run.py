"""The playbook backup: what fails on a host is told, prunes nothing there, takes nothing from the others, and fails the run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.lease_file import read_lease
from ansible_collections.upkeep.runbook.plugins.module_utils.leases import read_boot_id, take_lease
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso, utc_now
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, closed_port, listening
from ansible_collections.upkeep.runbook.tests.faults.house import listing as tree

FADING = {"ansible_connection": "fading"}
OLD = "20200101T000000Z"
#: A run that was killed and holds the hosts "held" and "alpha".
DEAD = "20261122T014356Z-0000000a"


def keep_backups(house: House, **backup: Any) -> None:
    """Describe backups of the application, each host's in a folder of its own."""
    (house.application / "package.json").write_text("{}")
    (house.application / "ticks.js").write_bytes(os.urandom(50_000))
    (house.application / "ticks.js").chmod(0o4755)
    house.platform["backup"] = {
        "directory": str(house.watched / "backups-{{ inventory_hostname }}"),
        "sources": [{"name": "application", "paths": [str(house.application)]}],
        "require": ["{{ wanted | default('files' ~ upkeep_platform.root ~ '/package.json') }}"],
        "keep": {"last": 1},
        "accept": ["special_bits"],
        "drill": {"files": [str(house.application / "ticks.js")], "command": ["grep", "-q", "{}", f"{house.application}/package.json"[1:]]},
        **backup,
    }


def old_backup(house: House, host: str) -> Path:
    """Put a backup of long ago, which a run may only remove when its own is good."""
    folder = house.watched / f"backups-{host}"
    folder.mkdir(mode=0o700)
    path = folder / f"test-platform-{host}_{OLD}.tar.zst"
    path.write_bytes(b"precious")
    return path


def made(house: House, host: str) -> list[str]:
    """Return the names of the backups of a host, the old one aside."""
    folder = house.watched / f"backups-{host}"
    return [name for name in sorted(os.listdir(folder)) if OLD not in name and not name.endswith(".manifest.json")] if folder.exists() else []


def test_check_then_run_then_run_again_and_drill(house: House) -> None:
    logs = house.application / "logs"
    logs.mkdir()
    for log, days in (("today", 0), ("long_ago", 8)):
        (logs / log).write_text(log)
        os.utime(logs / log, (time.time() - days * 86_400,) * 2)
    described = [
        {"name": "application", "paths": [str(house.application)], "exclude": ["logs"]},
        {"name": "logs", "paths": [str(logs)], "max_age_days": 7},
    ]
    keep_backups(house, sources=described, require=[f"files{logs}/today"])
    old = old_backup(house, "alpha")
    before = tree(house.watched)
    would = house.run("backup", "--check", "--diff")
    assert tree(house.watched) == before
    assert would.rc == 0, would.output
    assert "test-platform-alpha_" in would.output
    first = house.run("backup", "--diff")
    assert first.rc == 0, first.output
    (name,) = made(house, "alpha")
    assert name == os.path.basename(first.check("alpha", "backup.create")["summary"].split(" was made")[0])
    manifest = (house.watched / "backups-alpha" / f"{name}.manifest.json").read_text()
    assert "older than 7 days" in manifest and f'"files{logs}/long_ago"' not in manifest, "logs of the last week, as described"
    assert not old.exists() and f"-{old.name}" in first.output, "the old one went after the new one was verified"

    looked = house.run("daily", "--tags", "backups")
    assert looked.rc == 0, looked.output
    assert looked.check("alpha", "backup.drill")["status"] == "ok", "never tried before, so one was due"
    failed = house.run("backup_drill", backups_drill={"command": ["false"], "directory": str(house.scratch)})
    assert failed.rc == 2, "whatever the schedule"
    assert failed.check("alpha", "backup.drill")["summary"] == f"{name}: false failed with status 1."
    assert failed.check("alpha", "backup.drilled")["status"] == "ok", "the one of before was good"


HOSTS: dict[str, dict[str, Any]] = {
    "alpha": {"backups_continue": DEAD},
    "missing": {"source": "/nowhere/at/all"},
    "poor": {"wanted": "files/no/such/member"},
    "lost-making": {**FADING, "fading_lost_during": ["backup_create"]},
    "lost-verifying": {**FADING, "fading_lost_during": ["backup_verify"]},
    "killed": {**FADING, "fading_killed_during": ["backup_create"]},
    "full": {"backups_min_free_percent": 90},
    "held": {},
}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Outcome]]:
    """One run over a sound host and others on each of which another step fails; it is told to fail never."""
    with listening() as port, closed_port() as closed:
        with closing(House(tmp_path_factory.mktemp("night"), port)) as house:
            keep_backups(house)
            house.platform["backup"]["sources"][0]["paths"] = ["{{ source | default(upkeep_platform.root) }}"]
            house.hosts = {**HOSTS, "down": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": closed}}
            for host in HOSTS:
                old_backup(house, host)
            for host in ("held", "alpha"):
                hold(house, host)
            yield house, house.run("backup", upkeep_fail_on="never")


def hold(house: House, host: str) -> None:
    """Leave the lease of a run that was killed a moment ago."""
    now = utc_now()
    owner = LockOwner(DEAD, "backup", to_iso(now))
    take_lease(house.state / host, owner, ttl_seconds=7200, now=now, boot_id=read_boot_id())


def test_a_run_that_was_killed_keeps_others_away_until_somebody_says_that_it_is_dead(night: tuple[House, Outcome]) -> None:
    house, done = night
    assert len(made(house, "alpha")) == 1
    assert "took over from run" in done.check("alpha", "host.lease")["summary"]
    assert not (house.state / "alpha" / "lease.json").exists(), "given back"
    assert read_lease(house.state / "held")["run_id"] == DEAD


def old_is_there(house: House, host: str) -> bool:
    return (house.watched / f"backups-{host}" / f"test-platform-{host}_{OLD}.tar.zst").exists()


def test_the_sound_host_has_its_backup_and_the_run_fails(night: tuple[House, Outcome]) -> None:
    house, done = night
    assert done.rc == 2, done.output
    assert set(done.record["hosts"]) == {*HOSTS, "down"}
    assert done.role("alpha", "backups")["status"] == "ok"
    assert len(made(house, "alpha")) == 1 and not old_is_there(house, "alpha")
    assert done.check("down", "host.reachable")["status"] == "critical"


@pytest.mark.parametrize("host", sorted(set(HOSTS) - {"alpha", "held"}))
def test_a_failure_prunes_nothing_and_is_told(night: tuple[House, Outcome], host: str) -> None:
    house, done = night
    assert old_is_there(house, host)
    assert done.role(host, "backups")["status"] in ("unknown", "critical")
    assert not [row for row in done.role(host, "backups")["checks"] if row["check"] == "backup.prune"]
    assert not list((house.watched / f"backups-{host}").glob(".upkeep-*"))
    assert not (house.state / host / "lease.json").exists(), "others may work on the host"


@pytest.mark.parametrize(
    "host, check, words",
    [
        ("missing", "role.result", "Make a backup: sources[0].paths: /nowhere/at/all cannot be backed up"),
        ("poor", "backup.content", "lacks 1 of 1 required member: files/no/such/member"),
        ("killed", "role.result", "Make a backup: "),
        ("full", "role.result", "Make a backup: "),
        ("held", "role.result", f"when that run was killed: -e backups_continue={DEAD})"),
    ],
)
def test_the_step_that_failed_is_named(night: tuple[House, Outcome], host: str, check: str, words: str) -> None:
    house, done = night
    assert words in done.check(host, check)["summary"]
    assert len(made(house, host)) == (host == "poor"), "one that is not good stays to be looked at"


@pytest.mark.parametrize("host, backups", [("lost-making", 0), ("lost-verifying", 1)])
def test_a_host_that_is_lost_half_way_is_told(night: tuple[House, Outcome], host: str, backups: int) -> None:
    house, done = night
    check = done.check(host, "host.reachable")
    assert check["status"] == "critical" and "lost during backups" in check["summary"], check
    assert len(made(house, host)) == backups


def test_two_runs_at_once_make_one_backup_at_a_time(house: House) -> None:
    keep_backups(house, keep={"last": 9})
    runs = [house.start("backup") for _run in range(2)]
    ends = [run.wait() for run in runs]
    assert sorted(done.rc for done in ends) in ([0, 0], [0, 2])
    assert len(made(house, "alpha")) == sum(done.rc == 0 for done in ends)
    for done in ends:
        if done.rc:
            assert "Keep other procedures away: " in done.output
