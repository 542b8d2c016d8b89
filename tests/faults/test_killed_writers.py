"""SIGKILL at any moment of writing: the next run finds old or new state, never half of one, and cleans up."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS, House
from ansible_collections.upkeep.runbook.tests.faults.reports import later_report
from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import start_module

#: How often the module that writes is killed for each of FAULT_RUNS. The first run and the last one are those of a playbook.
KILLS = 2
#: How long after the first sign of writing a run may still be at it, on a busy machine.
REPORT_SECONDS = 0.08
HISTORY_SECONDS = 0.02
SERVICES = 30


def moment(chance: random.Random, longest: float) -> float:
    """Return a random time in seconds; early ones are likelier, since a run that is not disturbed is soon done."""
    return longest * chance.random() ** 3


def kill_when(process: subprocess.Popen[str], writing: Callable[[], bool], delay: float) -> bool:
    """Kill a module some time after it has begun to write; return whether it was under way until then."""
    end = time.monotonic() + PATIENCE_SECONDS
    # No pause in between: what is waited for takes a few milliseconds.
    while not writing():
        assert process.poll() is None and time.monotonic() < end, "it has ended and not written"
    end = time.monotonic() + delay
    while time.monotonic() < end:
        pass
    alive = process.poll() is None
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    return alive


def test_killed_while_it_writes_the_report(house: House, chance: random.Random, fault_runs: int) -> None:
    first = house.run("daily", "--tags", "health")
    assert first.rc == 0
    folder = house.reports / "runs"
    half = interrupted = 0
    for number in range(KILLS * fault_runs):
        whole = set(house.records())
        before = os.listdir(folder)
        process = start_module("run_report", later_report(house, first, number))
        # Looked for is what stays: a sign that comes and goes is missed where other programs are busy.
        interrupted += kill_when(process, lambda: os.listdir(folder) != before, moment(chance, REPORT_SECONDS))

        # Whatever is there can be read, whole: the old index or the new one, every record, and copies of the newest page.
        records = set(house.records())
        half += sum(path.name not in records for path in folder.iterdir())
        assert whole <= records and len(records - whole) <= 1
        assert set(house.indexed()) <= records
        assert first.record["run_id"] in house.indexed()
        for name in ("latest.html", "latest.md", "index.html"):
            assert (house.reports / name).stat().st_size > 0
        assert json.loads((house.reports / "latest.json").read_bytes())["run_id"] in records

    after = house.run("daily", "--tags", "health")
    assert after.rc == 0, after.output
    assert interrupted, "every report had been written before its writer was killed"
    assert "WARNING" not in after.output, after.output
    assert after.record["run_id"] in house.records()
    assert sorted(house.indexed()) == sorted(house.records())
    assert json.loads((house.reports / "latest.json").read_bytes())["run_id"] == after.record["run_id"]
    runs = list(folder.iterdir())
    assert {path.name for path in runs} == set(house.records()), "directories of runs that were never whole are left"
    for run_folder in runs:
        assert {path.name for path in run_folder.iterdir()} == {"record.json", "report.html", "report.md"}
    assert not [path for path in house.reports.rglob("*") if path.name.endswith(".new")]
    print(f"{half} of {KILLS * fault_runs} kills left half a run")


def test_killed_while_it_writes_the_history(house: House, chance: random.Random, fault_runs: int) -> None:
    # Many points, so that what is no transaction is interrupted between two of them.
    service = house.platform["services"][0]
    house.platform["services"] = [{**service, "name": f"ticks {number}"} for number in range(SERVICES)]
    assert house.run("daily", "--tags", "health").rc == 0
    history = house.history()
    probes = [{"type": "tcp", "name": one["name"], **one["tcp"]} for one in house.platform["services"]]
    journal = Path(f"{history}-journal")
    known = points(history)
    half = interrupted = 0
    for _run in range(KILLS * fault_runs):
        written = history.stat().st_mtime_ns
        wait_for_the_next_second(known)
        process = start_module("health_probe", {"probes": probes, "history": str(history)})
        interrupted += kill_when(
            process, lambda: journal.exists() or history.stat().st_mtime_ns != written, moment(chance, HISTORY_SECONDS)
        )

        # All of the points of a run, or none: `up` and `latency` of each service.
        half += journal.exists()
        later = points(history)
        assert set(known) <= set(later)
        assert len(later) - len(known) in (0, 2 * SERVICES)
        known = later

    after = house.run("daily", "--tags", "health")
    assert after.rc == 0, after.output
    assert interrupted, "every run had ended before it was killed"
    assert not [row for row in after.role("alpha", "health")["checks"] if row["check"] == "history.integrity"]
    assert set(known) < set(points(history))
    assert {path.name for path in history.parent.iterdir()} == {"history.sqlite"}
    print(f"{half} of {KILLS * fault_runs} kills left half a transaction")


def wait_for_the_next_second(known: list[tuple[Any, ...]]) -> None:
    """Wait until points are no longer of the second of the last ones, whose place they would take."""
    while time.time() < max(at for _series, at, *_value in known) + 1:
        time.sleep(0.02)


def points(history: Path) -> list[tuple[Any, ...]]:
    """Return every point of a history; a transaction that was never finished is taken back first, as for any reader."""
    with closing(sqlite3.connect(history)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT * FROM points ORDER BY series, at").fetchall()
