"""Acting in a security incident, in a network of its own: what a run shows, does, refuses, puts back and writes down."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, Outcome, Started, listening, listing
from ansible_collections.upkeep.runbook.tests.integration.systemd_stand_in import Systemd

INCIDENT, NAMED = "INC-42", {"upkeep_incident": "INC-42"}
CONFIRMED = {**NAMED, "upkeep_confirm": "Test platform"}
#: A copy of /etc that only the run sees, over which accounts are shut.
OWN_ETC = 'mount --bind "$1" /etc && shift && exec "$@"'
UID = 64_377


@dataclass
class Site:
    """A house in a network and with accounts of its own, and a stand-in for systemd."""

    house: House
    systemd: Systemd
    inside: tuple[str, ...]
    etc: Path

    def start(self, *arguments: str, **extra: Any) -> Started:
        before = (*self.inside, "unshare", "--mount", "sh", "-c", OWN_ETC, "sh", str(self.etc))
        return self.house.start("security_incident", *arguments, before=before, **extra)

    def run(self, *arguments: str, **extra: Any) -> Outcome:
        return self.start(*arguments, **extra).wait()

    def tables(self) -> set[str]:
        """Return our tables that the kernel has."""
        listed = subprocess.run([*self.inside, "nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
        return {line.split()[-1] for line in listed.splitlines() if "upkeep" in line}

    def shadow(self, user: str = "upkeep-eve") -> str:
        lines = (self.etc / "shadow").read_text().splitlines()
        return next(line.partition(":")[2] for line in lines if line.startswith(f"{user}:"))

    def log(self, incident: str = INCIDENT) -> list[dict[str, Any]]:
        path = self.house.reports / "incidents" / incident / "custody.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def told(self, incident: str = INCIDENT) -> list[tuple[str, str, str]]:
        """Return host, step and outcome of each entry of the custody log."""
        return [(row["host"], row["step"], row["outcome"]) for row in self.log(incident)]


@pytest.fixture
def site(root: None, house: House, tmp_path: Path) -> Iterator[Site]:
    etc = tmp_path / "etc"
    subprocess.run(["cp", "-a", "--no-dereference", "/etc", str(etc)], check=True)
    for name, line in (("passwd", f"upkeep-eve:x:{UID}:{UID}::/nonexistent:/bin/sh\n"), ("shadow", "upkeep-eve:$y$j9T$s$s:19000:0:99999:7:::\n")):
        with open(etc / name, "a", encoding="utf-8") as stream:
            stream.write(line)
    systemd = Systemd(tmp_path)
    house.environment["PATH"] = systemd.path
    house.variables.update(
        containment_management=["192.0.2.1"], containment_hosts=["alpha"], containment_block="198.51.100.7, 2001:db8:bad::/48",
        security_audit_parts=["access"], sweep_hash_paths=[str(house.application)],
        sweep_indicators=[{"type": "path", "value": str(house.application / "*.evil")}],
    )
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"ready\n"
        yield Site(house, systemd, ("nsenter", f"--net=/proc/{holder.pid}/ns/net"), etc)
        systemd.close()
        holder.communicate()


def test_check_run_run_and_release(site: Site) -> None:
    before = listing(site.house.watched)
    plan = site.run("--check", "--diff", "--tags", "isolate,block", **NAMED)
    assert plan.rc == 0, plan.output
    assert listing(site.house.watched) == before and not site.tables() and not site.systemd.timers()
    done = site.run("--tags", "isolate,block", **CONFIRMED)
    print(done.output)
    assert site.tables() == {"upkeep_isolation", "upkeep_block"}
    print(json.dumps(site.log(), indent=1))
    freed = site.run("--tags", "release", **CONFIRMED)
    print(freed.output)
    assert site.tables() == set()
    assert False
