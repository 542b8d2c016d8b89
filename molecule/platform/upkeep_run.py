"""Runs a playbook of the collection against the test platform, and reads the record that it left."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]

#: The platform as its user describes it, and over it the addresses of the containers.
INVENTORIES = (PROJECT / "inventories/neurosensefx", PROJECT / "molecule/platform/inventory")


@dataclass(frozen=True)
class Check:
    """One check result with the place where it was found."""

    host: str
    role: str
    check: str
    subject: str
    status: str
    summary: str


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
                    yield Check(host, role, **texts)

    def problems(self) -> set[tuple[str, str, str, str]]:
        """(host, check, subject, status) of every check that is not ok."""
        return {(found.host, found.check, found.subject, found.status) for found in self.checks() if found.status != "ok"}


def command(playbook: str, *arguments: str) -> list[str]:
    """Return the command line that runs a playbook as a user of the collection would."""
    inventories = [f"--inventory={path}" for path in INVENTORIES]
    return ["ansible-playbook", *inventories, f"upkeep.runbook.{playbook}", *arguments]


def run_playbook(playbook: str, reports: Path, *arguments: str) -> Run:
    """Run a playbook that writes its reports into a directory of its own."""
    done = subprocess.run(
        command(playbook, "-e", f"upkeep_report_directory={reports}", *arguments),
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=180,
        check=False,
    )
    return Run(done.returncode, done.stdout, newest_record(reports))


def newest_record(reports: Path) -> dict[str, Any] | None:
    """Return the run record that was written last below a report directory."""
    records = sorted(reports.rglob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for path in reversed(records):
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, dict) and "run_id" in document and "hosts" in document:
            return document
    return None
