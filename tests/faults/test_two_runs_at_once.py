"""Two runs at the same time: what acts goes one after the other, what looks shares the report directory."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

from ansible_collections.upkeep.runbook.tests.faults.house import PATIENCE_SECONDS, House, Started, listing


def wait_for(path: Path, run: Started) -> None:
    """Wait until a file exists."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        assert run.process.poll() is None and time.monotonic() < end, run.output()
        time.sleep(0.02)


def slow_prepare(house: House, gate: Path) -> Started:
    """Start a `prepare` that holds its lease until somebody opens the gate."""
    os.mkfifo(gate)
    first = house.start("prepare", prerequisites_python_modules=[f"json; open({str(gate)!r}).read()"])
    wait_for(house.state / "alpha" / "lease.json", first)
    return first


def test_a_second_prepare_says_who_works_there_and_touches_nothing(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = slow_prepare(house, gate)
    lease = json.loads((house.state / "alpha" / "lease.json").read_bytes())

    before = listing(house.watched)
    asked = house.run("prepare", "--check")
    assert listing(house.watched) == before
    second = house.run("prepare")
    # To ask under the lock leaves a note in its file and takes it back: only the time of the file differs.
    assert without_times(listing(house.watched)) == without_times(before)

    for refused in (asked, second):
        assert refused.rc == 2, refused.output
        assert f"run {lease['run_id']} of prepare works on this host since {lease['taken']}" in refused.output
        assert lease["expires"] in refused.output and "wait until it has ended" in refused.output
        assert "changed=0" in refused.output

    gate.write_text("")
    assert first.wait().rc == 0, first.output()
    assert not (house.state / "alpha" / "lease.json").exists()


def without_times(found: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return a listing with mode and content only."""
    return {name: (text.split(" ")[0], text.split(" ")[-1]) for name, text in found.items()}


def test_a_prepare_that_was_killed_blocks_nobody_after_its_lease(house: House, tmp_path: Path) -> None:
    first = slow_prepare(house, tmp_path / "gate")
    first.kill()
    path = house.state / "alpha" / "lease.json"
    lease = json.loads(path.read_bytes())
    # Time passes.
    path.write_text(json.dumps({**lease, "expires": lease["taken"]}))
    after = house.run("prepare")
    assert after.rc == 0, after.output
    assert not path.exists()


def test_two_daily_runs_at_once_both_leave_their_record(house: House) -> None:
    runs = [house.start("daily"), house.start("daily")]
    outcomes = [run.wait() for run in runs]
    assert [outcome.rc for outcome in outcomes] == [0, 0], "\n".join(outcome.output for outcome in outcomes)
    expected = {outcome.record["run_id"] for outcome in outcomes}
    assert len(expected) == 2
    assert set(house.records()) == expected == set(house.indexed())
    for outcome in outcomes:
        assert outcome.check("alpha", "history.integrity")["status"] == "ok"


def test_a_run_waits_for_another_one_that_writes_the_report(house: House) -> None:
    assert house.run("daily", "--tags", "health").rc == 0
    with open(house.reports / ".lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(json.dumps({"run_id": "someone", "playbook": "daily", "pid": 1, "started": "today"}).encode())
        lock.flush()
        run = house.start("daily", "--tags", "health")
        end = time.monotonic() + PATIENCE_SECONDS
        while "Write the report" not in run.output():
            assert run.process.poll() is None and time.monotonic() < end, run.output()
            time.sleep(0.02)
        time.sleep(1)  # it would have written by now
        assert run.process.poll() is None
        assert len(house.records()) == 1
    done = run.wait()
    assert done.rc == 0, done.output
    assert len(house.records()) == 2 == len(house.indexed())
