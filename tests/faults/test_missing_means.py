"""Hosts without psutil, systemd or a network: what cannot be looked at is `unknown` with the reason, the rest is seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House

UNIT = {"name": "ticks", "type": "unit", "unit": "ticks.service"}


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """Make a Python that has its standard library and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = str(tmp_path / "bare" / "bin" / "python")
    assert subprocess.run([python, "-c", "import psutil"], stderr=subprocess.DEVNULL, check=False).returncode != 0
    return python


def test_without_psutil_what_needs_it_is_unknown_and_the_rest_is_seen(house: House, bare_python: str) -> None:
    house.hosts["alpha"] = {"ansible_python_interpreter": bare_python}
    house.platform["services"].append({"name": "tests", "process": "pytest"})
    done = house.run("daily")
    assert done.rc == 2, done.output
    unknown = {key[2:]: status for key, status in done.statuses().items() if status != "ok" and key[2]}
    assert unknown == {("service.process", "tests"): "unknown", ("restart.required", "processes"): "unknown"}
    for check, subject in unknown:
        row = done.check("alpha", check, subject)
        assert f"psutil is not installed for {bare_python}" in row["summary"], row
        assert "upkeep.runbook.prepare" in row["hint"], row
    assert done.check("alpha", "service.tcp", "ticks")["status"] == "ok"


def test_a_host_on_which_no_module_can_run_has_one_reason_for_every_role(house: House) -> None:
    house.hosts["alpha"] = {"ansible_become": True, "ansible_become_user": "nobody", "ansible_become_exe": "/nowhere/sudo"}
    house.platform["services"][0]["logs"] = [str(house.application / "a.log")]
    done = house.run("daily")
    assert done.check("alpha", "host.reachable")["status"] == "unknown", done.output
    for role in ("health", "resources", "logs"):
        assert done.role("alpha", role)["reason"] == "the role failed: the same reason as host.reachable", done.output


def test_prepare_names_the_interpreter_that_cannot_import_what_is_needed(house: House, bare_python: str) -> None:
    house.hosts["alpha"] = {"ansible_python_interpreter": bare_python}
    done = house.run("prepare", prerequisites_python_modules=["psutil"])
    assert done.rc == 2, done.output
    assert f"{bare_python}, which Ansible uses on alpha, cannot import psutil" in done.output
    assert "set ansible_python_interpreter to /usr/bin/python3" in done.output
    assert not (house.state / "alpha" / "lease.json").exists()


def test_without_systemctl_a_unit_is_unknown(house: House, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if program.name != "systemctl" and not (programs / program.name).is_symlink():
                (programs / program.name).symlink_to(program)
    house.environment["PATH"] = str(programs)
    done = house.run("daily", "--tags", "health", health_probes=[UNIT])
    check = done.check("alpha", "service.unit")
    assert check["status"] == "unknown" and "this host has no systemd" in check["summary"], check
    assert "process or pm2" in check["hint"]
    assert done.rc == 2 and done.record["health"] == "UNKNOWN"


@pytest.mark.usefixtures("root")
def test_where_systemd_does_not_run_a_unit_is_unknown(house: House) -> None:
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh")
    done = house.start("daily", "--tags", "health", before=hidden, health_probes=[UNIT]).wait()
    check = done.check("alpha", "service.unit")
    # A machine for tests may lack systemctl as well.
    assert check["status"] == "unknown" and "systemd" in check["summary"], check
    assert "process or pm2" in check["hint"]
    assert done.rc == 2


@pytest.mark.usefixtures("root")
def test_without_a_network_what_lies_behind_it_is_unknown(house: House) -> None:
    probes = [
        {"name": "page", "type": "http", "url": "http://192.0.2.1/", "timeout_seconds": 2},
        {"name": "socket", "type": "websocket", "url": "ws://192.0.2.1/", "timeout_seconds": 2},
        {"name": "upstream", "type": "tcp", "host": "192.0.2.1", "port": 443, "timeout_seconds": 2},
        {"name": "name", "type": "http", "url": "http://ticks.test/", "timeout_seconds": 2},
        {"name": "worker", "type": "process", "pattern": "upkeep-worker-of-this-test"},
    ]
    # Not the tests themselves: what started the probe never matches.
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)", "upkeep-worker-of-this-test"])
    try:
        done = house.start("daily", before=("unshare", "--net"), health_probes=probes).wait()
    finally:
        worker.kill()
        worker.wait()
    assert done.rc == 2, done.output
    for check in ("http", "websocket", "tcp"):
        row = done.check("alpha", f"service.{check}", {"http": "page", "websocket": "socket", "tcp": "upstream"}[check])
        assert row["status"] == "unknown" and "unreachable" in row["summary"], row
    row = done.check("alpha", "service.http", "name")
    assert row["status"] == "unknown" and "ticks.test" in row["summary"], row
    assert done.check("alpha", "service.process", "worker")["status"] == "ok"
    assert done.role("alpha", "resources")["status"] == "ok"
    assert done.record["health"] == "UNKNOWN"
