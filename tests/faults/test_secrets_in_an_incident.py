"""The step ``rotate`` of an incident: secrets of services that really read them again, what is refused, and runs that die."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS, House, Outcome, family, listing

INCIDENT, NAMED = "INC-42", {"upkeep_incident": "INC-42"}
CONFIRMED = {**NAMED, "upkeep_confirm": "Test platform"}
OLD = "an-old-secret-of-the-services"
#: Stands in for systemd: a unit that is restarted reads its file of settings, and notes what it found as what it runs with.
SYSTEMCTL = """#!{python} -SE
import os, re, sys, time
folder, command = {folder!r}, [one for one in sys.argv[1:] if not one.startswith("-")]
units = [one.strip("'") for one in command[1:]]
def runs(unit):
    return os.path.exists(f"{{folder}}/{{unit}}")
if command[0] == "is-active":
    print("\\n".join("active" if runs(unit) else "inactive" for unit in units))
    sys.exit(0 if all(map(runs, units)) else 3)
if command[0] == "show":
    for unit in units:
        state = "active" if runs(unit) else "failed"
        print(f"Id={{unit}}\\nLoadState=loaded\\nActiveState={{state}}\\nSubState=running\\nResult=success")
        print("NRestarts=0\\nMainPID=1\\nUnitFileState=enabled\\n")
if command[0] in ("restart", "start"):
    with open(f"{{folder}}/log", "a") as log:
        log.write(units[0] + "\\n")
    while os.path.exists(f"{{folder}}/slow"):
        time.sleep(0.02)
    value = re.search("_SECRET=(.*)", open(f"{{folder}}/../application/{{units[0]}}.env").read())[1]
    os.path.exists(f"{{folder}}/{{units[0]}}") and os.unlink(f"{{folder}}/{{units[0]}}")
    with open(f"{{folder}}/{{units[0]}}", "w") as stream:
        stream.write(value)
"""


@dataclass
class Site:
    """A house with two services that share a secret."""

    house: House
    units: Path

    def env(self, name: str) -> Path:
        return self.house.application / f"{name}.service.env"

    def run(self, *arguments: str, **extra: Any) -> Outcome:
        return self.house.run("security_incident", *arguments, **extra)

    def secrets(self) -> list[str]:
        """Return the secrets in the files."""
        return [self.env(name).read_text().partition("_SECRET=")[2].strip() for name in ("api", "worker")]

    def running(self) -> list[str]:
        """Return the secrets that the services run with."""
        return [path.read_text() if path.exists() else "" for path in (self.units / "api.service", self.units / "worker.service")]

    def restarts(self) -> list[str]:
        log = self.units / "log"
        return log.read_text().split() if log.exists() else []

    def told(self) -> list[tuple[str, str]]:
        """Return step and outcome of each entry of the custody log."""
        path = self.house.reports / "incidents" / INCIDENT / "custody.jsonl"
        return [(row["step"], row["outcome"]) for row in map(json.loads, path.read_text().splitlines())] if path.exists() else []

    def everything_written(self) -> str:
        """Return all that a run has written, but for the files of the services and copies for root."""
        found = [path for path in self.house.watched.rglob("*") if path.is_file() and self.house.application not in path.parents]
        return "".join(path.read_text("utf-8", "replace") for path in found if self.units not in path.parents and path.parent.name != INCIDENT)


@pytest.fixture
def site(root: None, house: House) -> Iterator[Site]:
    made = Site(house, house.watched / "units")
    made.units.mkdir()
    programs = house.scratch / "programs"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL.format(python=sys.executable, folder=str(made.units)))
    (programs / "systemctl").chmod(0o755)
    house.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    for name, key in (("api", "JWT_SECRET"), ("worker", "TOKEN_SECRET")):
        made.env(name).write_text(f"# settings\nPORT=1\n{key}={OLD}\n")
        made.env(name).chmod(0o600)
        (made.units / f"{name}.service").write_text(OLD)
    house.platform["services"] = [
        {"name": "worker", "unit": "worker", "rotate": [{"key": "TOKEN_SECRET", "file": str(made.env("worker")), "shared": "tokens"}]},
        {"name": "api", "unit": "api", "rotate": [{"key": "JWT_SECRET", "file": str(made.env("api")), "shared": "tokens"}]},
    ]
    house.variables["secrets_health_seconds"] = 0.1
    yield made


def summary(outcome: Outcome) -> str:
    return str(outcome.check("alpha", "secrets.result")["summary"])


def test_check_run_again_and_release(site: Site) -> None:
    before = listing(site.house.watched)
    plan = site.run("--check", "--diff", "--tags", "rotate", **NAMED)
    assert plan.rc == 0 and "would be rotated: TOKEN_SECRET of" in summary(plan), plan.output
    assert "JWT_SECRET (rotated)" in plan.output and listing(site.house.watched) == before

    done = site.run("--tags", "rotate", "--diff", "-vvv", **CONFIRMED)
    assert done.rc == 0, done.output
    value = site.secrets()[0]
    assert site.secrets() == site.running() == [value, value] and value != OLD and site.restarts() == ["worker.service", "api.service"]
    assert "worker, api restarted and healthy" in summary(done) and site.told() == [("rotate", "planned"), ("rotate", "done")]
    # A value, old or new, is neither said nor written anywhere.
    for secret in (value, OLD):
        assert secret not in done.output and secret not in site.everything_written()
    statuses = {row["status"] for row in done.role("alpha", "secrets")["checks"]}
    assert statuses == {"ok"}

    copies = list(site.house.state.glob("alpha/secrets/INC-42/*"))
    assert len(copies) == 2 and OLD in copies[0].read_text()
    released = site.run("--tags", "release", "--skip-tags", "containment", **CONFIRMED)
    assert released.rc == 0 and not (site.house.state / "alpha/secrets/INC-42").exists(), released.output
    assert site.secrets() == [value, value] and "old values are forgotten" in summary(released)
    assert site.told()[-1] == ("release", "done") and not list(site.house.state.glob("alpha/lease*"))


def test_a_run_that_dies_before_the_services_are_restarted_is_gone_on_with(site: Site) -> None:
    (site.units / "slow").touch()
    started = site.house.start("security_incident", "--tags", "rotate", **CONFIRMED)
    end = time.monotonic() + PATIENCE_SECONDS
    while not site.restarts() and started.process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    assert site.restarts() == ["worker.service"], started.output()
    for pid in reversed(family(started.process.pid)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    started.process.wait(PATIENCE_SECONDS)
    (site.units / "slow").unlink()
    value = site.secrets()[0]
    assert site.secrets() == [value, value] != [OLD, OLD] and site.running()[0] == OLD

    killed_run = json.loads(next(site.house.state.glob("alpha/lease*")).read_text())["run_id"]
    done = site.run("--tags", "rotate", **CONFIRMED, secrets_continue=killed_run)
    assert done.rc == 0 and site.running() == site.secrets() == [value, value], done.output


def test_what_is_refused_touches_nothing(site: Site) -> None:
    """Without tags the step is one of the usual ones when secrets are named."""
    site.env("worker").write_text(f"TOKEN_SECRET={OLD}\nTOKEN_SECRET={OLD}\n")
    refused = site.run("--skip-tags", "evidence,containment,sweep,verify", **CONFIRMED, secrets_rotate="JWT_SECRET")
    assert refused.rc == 2 and "it has TOKEN_SECRET 2 times" in summary(refused), refused.output
    assert "refused before anything was touched" in summary(refused) and site.secrets()[0] == OLD and not site.restarts()
    assert site.told() == [("rotate", "planned"), ("rotate", "refused")] and OLD not in refused.output
