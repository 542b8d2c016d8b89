"""Runs a playbook of the collection against the test platform, and reads the record that it left."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from containers import Container

PROJECT = Path(__file__).resolve().parents[2]

#: The platform as its user describes it, and over it the addresses of the containers. A scenario may have a platform of its own.
INVENTORIES = tuple(
    PROJECT / path for path in os.environ.get("TEST_INVENTORIES", "inventories/neurosensefx:molecule/platform/inventory").split(":")
)

#: What the user wrote about it.
DESCRIPTION: dict[str, Any] = yaml.safe_load((INVENTORIES[0] / "group_vars/all.yml").read_text(encoding="utf-8"))["upkeep_platform"]

#: What a playbook that replaces something wants to hear.
CONFIRMED = {"upkeep_confirm": DESCRIPTION["name"]}

#: Exit status of ``ansible-playbook`` when a host failed; the verdict of a bad run is such a failure.
FAILED = 2

PATIENCE_SECONDS = 900

#: Where the reports are when a host of the platform keeps them.
REPORTS_ON_HOST = "/var/lib/upkeep/reports"


@dataclass(frozen=True)
class Check:
    """One check result with the place where it was found."""

    host: str
    role: str
    check: str
    subject: str
    status: str
    summary: str
    silenced: bool


@dataclass(frozen=True)
class Run:
    """What a run of a playbook left behind.

    :ivar status: the exit status of ``ansible-playbook``.
    :ivar output: its standard output and standard error.
    :ivar record: the run record, or None when there is none.
    """

    status: int
    output: str
    record: dict[str, Any] | None

    @property
    def health(self) -> str:
        return self.record["health"] if self.record else "no record"

    def checks(self) -> Iterator[Check]:
        """All checks of all hosts and roles."""
        for host, found in (self.record or {"hosts": {}})["hosts"].items():
            for role, entry in found["roles"].items():
                for check in entry["checks"]:
                    texts = {key: str(check[key]) for key in ("check", "subject", "status", "summary")}
                    yield Check(host, role, **texts, silenced=bool(check.get("suppressed")))

    def problems(self) -> set[tuple[str, str, str, str]]:
        """(host, check, subject, status) of every check that is not ok and counts."""
        return {
            (found.host, found.check, found.subject, found.status)
            for found in self.checks()
            if found.status != "ok" and not found.silenced
        }

    def summary(self, check: str, subject: str) -> str:
        """The summaries of a check, of all hosts."""
        return " ".join(found.summary for found in self.checks() if (found.check, found.subject) == (check, subject))


def nothing() -> None:
    """Do nothing."""


def command(playbook: str, *arguments: str) -> list[str]:
    """Return the command line that runs a playbook as a user of the collection would."""
    inventories = [f"--inventory={path}" for path in INVENTORIES]
    return ["ansible-playbook", *inventories, f"upkeep.runbook.{playbook}", *arguments]


def run_playbook(playbook: str, reports: Path, *arguments: str, at: str = "", then: Callable[[], object] = nothing) -> Run:
    """Run a playbook that writes its reports into a directory of its own, and tells nobody.

    :param at: text of the line of output (the name of a task, say) at which ``then`` is called, once.
    """
    quiet = ["-e", f"upkeep_report_directory={reports}", "-e", "notify_enabled=false"]
    status, output = play(playbook, *quiet, *arguments, at=at, then=then)
    return Run(status, output, newest_record(reports))


def run_and_tell(playbook: str, report_host: Container, *arguments: str) -> Run:
    """Run a playbook whose reports a host of the platform keeps, which is also the one that tells people."""
    place = {
        "upkeep_report_host": report_host.name.removeprefix("upkeep-"),
        "upkeep_report_directory": REPORTS_ON_HOST,
        "upkeep_report_become": True,
    }
    status, output = play(playbook, "-e", json.dumps(place), *arguments)
    record = report_host.sh(f"cat {REPORTS_ON_HOST}/latest.json")
    return Run(status, output, json.loads(record))


def play(playbook: str, *arguments: str, at: str = "", then: Callable[[], object] = nothing) -> tuple[int, str]:
    """Run a playbook; return its exit status and its output."""
    with TemporaryDirectory(prefix="ssh") as sockets:
        environment = {
            **os.environ,
            "ANSIBLE_FORCE_COLOR": "false",
            "ANSIBLE_NOCOLOR": "true",
            # No connection of an earlier run is used again: the host behind it may have been stopped since.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
        }
        process = subprocess.Popen(
            command(playbook, *arguments),
            cwd=PROJECT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        output = followed(process, at, then)
    return process.returncode, output


def run_module(host: str, module: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Run one module of the collection on one host, as root, and return its result."""
    with TemporaryDirectory() as results:
        inventories = [f"--inventory={path}" for path in INVENTORIES]
        call = ["--become", f"--tree={results}", "-m", f"upkeep.runbook.{module}", "-a", json.dumps(arguments), host]
        subprocess.run(["ansible", *inventories, *call], cwd=PROJECT, capture_output=True, timeout=60, check=False)
        return json.loads((Path(results) / host).read_text(encoding="utf-8"))


def followed(process: subprocess.Popen[str], at: str, then: Callable[[], object]) -> str:
    """Return the output of a process, and call ``then`` at the first line that has ``at`` in it."""
    with process, ended_after(process, PATIENCE_SECONDS):
        output = ""
        for line in process.stdout or ():
            output += line
            if at and at in line:
                at = ""
                then()
    return output


@contextmanager
def ended_after(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    """Kill a process that is still there after so many seconds."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def newest_record(reports: Path) -> dict[str, Any] | None:
    """Return the last run record below a report directory; its folder has the time of the run in its name."""
    records = sorted(reports.glob("runs/*/record.json"))
    return json.loads(records[-1].read_text(encoding="utf-8")) if records else None
