"""A disk without room, under the history and under the reports: it is said plainly, and what was there stays."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.tests.faults.house import House, listing
from ansible_collections.upkeep.runbook.tests.faults.reports import report_again
from ansible_collections.upkeep.runbook.tests.faults.small_disk import PAGE, small_disk

pytestmark = pytest.mark.usefixtures("root")

#: The note of who holds the lock is no state.
NOTES = ("filler", ".lock")
NO_ROOM = "No space left on device"
#: Reports that find too little room, for each of FAULT_RUNS.
STEPS = 2


def points(history: Path) -> list[tuple[object, ...]]:
    """Return every point of a history."""
    with closing(sqlite3.connect(f"{history.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT * FROM points ORDER BY series, at").fetchall()


def test_no_room_for_the_history(house: House) -> None:
    with small_disk(house.state) as disk:
        assert house.run("daily", "--tags", "health,resources").rc == 0
        history = house.history()
        kept, before = points(history), history.read_bytes()
        disk.leave_free(0)

        full = house.run("daily", "--tags", "health,resources")
        assert full.rc != 0
        assert full.record["status"] == "unknown"
        for role in ("health", "resources"):
            rows = {row["check"]: row for row in full.role("alpha", role)["checks"]}
            integrity = rows.pop("history.integrity")
            assert integrity["status"] == "unknown" and integrity["subject"] == str(history)
            assert "full" in integrity["summary"] and str(history) in integrity["summary"]
            # What was measured is right all the same.
            assert rows and {row["status"] for row in rows.values()} == {"ok"}
        assert history.read_bytes() == before
        assert points(history) == kept

        disk.make_room()
        mended = house.run("daily", "--tags", "health,resources")
        assert mended.rc == 0, mended.output
        assert mended.check("alpha", "service.tcp", "ticks")["status"] == "ok"
        assert points(history)[: len(kept)] != [] and len(points(history)) > len(kept)
        assert {path.name for path in history.parent.iterdir()} == {"history.sqlite"}


def test_the_first_history_finds_no_room(house: House) -> None:
    with small_disk(house.state) as disk:
        disk.leave_free(0)
        full = house.run("daily", "--tags", "health,resources")
        assert full.rc != 0
        assert full.role("alpha", "health")["status"] == "unknown"
        assert full.check("alpha", "service.tcp", "ticks")["status"] == "ok"
        disk.make_room()
        assert house.run("daily", "--tags", "health,resources").rc == 0
        assert points(house.history())


def test_no_room_for_the_report(house: House) -> None:
    with small_disk(house.reports) as disk:
        first = house.run("daily", "--tags", "health")
        assert first.rc == 0
        before = listing(house.reports, leave_out=NOTES)
        disk.leave_free(0)

        full = house.run("daily", "--tags", "health")
        assert full.rc != 0
        assert NO_ROOM in full.output and str(house.reports) in full.output, full.output
        assert "ticks" in full.table, full.output  # the table is there although the page is not
        assert listing(house.reports, leave_out=NOTES) == before
        assert house.indexed() == [first.record["run_id"]]

        disk.make_room()
        last = house.run("daily", "--tags", "health")
        assert last.rc == 0, last.output
        assert_clean(house, [last.record["run_id"], first.record["run_id"]])


def test_the_disk_fills_between_the_files_of_a_report(house: House, fault_runs: int) -> None:
    """Asked of the module, which writes all of them; what a run makes of its failure is asked above."""
    with small_disk(house.reports) as disk:
        first = house.run("daily", "--tags", "health")
        run = house.reports / "runs" / first.record["run_id"]
        whole = sum(path.stat().st_size for path in run.iterdir())
        derived = sum(path.stat().st_size for path in house.reports.iterdir() if path.is_file())
        old = listing(run)
        known = [first.record["run_id"]]
        # From "the page finds room and the record does not" to "all but the last file finds room".
        steps = STEPS * fault_runs
        sizes = [PAGE + (whole + derived) * step // steps for step in range(steps)]
        failures = 0
        for number, size in enumerate(sizes):
            disk.leave_free(size)
            run_id, full = report_again(house, first, 2 * number)
            if full.get("failed"):
                failures += 1
                assert NO_ROOM in full["msg"] and str(house.reports) in full["msg"], full
            assert listing(run) == old
            assert_readable(house)
            # A run whose record could still be written is a run; one without is none.
            assert set(known) <= set(house.records()) <= {*known, run_id}
            assert set(known) <= set(house.indexed()) <= set(house.records())

            disk.make_room()
            run_id, mended = report_again(house, first, 2 * number + 1)
            assert not mended.get("failed"), mended
            known = sorted(house.records())
            assert run_id in known
            assert_clean(house, known)
        assert failures >= min(2, fault_runs), f"left free: {sizes}"


def assert_readable(house: House) -> None:
    """Check that what is made anew with each run is there, and whole, be it of this run or of the one before."""
    for name in ("index.html", "latest.html"):
        assert (house.reports / name).read_text("utf-8").rstrip().endswith("</html>"), name
    for path in (house.reports / "latest.json", house.reports / "index.json", *house.reports.glob("heartbeats/*")):
        json.loads(path.read_bytes())
    assert (house.reports / "latest.md").stat().st_size > 0


def assert_clean(house: House, run_ids: list[str]) -> None:
    """Check that the directory holds exactly these runs, each whole, and nothing half-done."""
    assert sorted(house.records()) == sorted(house.indexed()) == sorted(run_ids)
    for run_id in run_ids:
        names = {path.name for path in (house.reports / "runs" / run_id).iterdir()}
        assert names == {"record.json", "report.html", "report.md"}
    assert not [path for path in house.reports.rglob("*") if path.name.endswith(".new")]
