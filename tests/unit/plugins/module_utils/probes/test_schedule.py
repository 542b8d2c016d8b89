"""When a probe is tried again, and many probes at once."""

from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.probes import schedule
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import Probe, read_probes
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.schedule import Course, run_probes

GOOD, SLOW, BAD = Outcome("ok", "Good."), Outcome("warning", "Slow."), Outcome("critical", "Bad.")
UNKNOWN, NEVER = Outcome("unknown", "No."), Outcome("unknown", "Never.", permanent=True)


def probes(count: int, **options) -> list[Probe]:
    return read_probes([{"type": "tcp", "port": number + 1, **options} for number in range(count)], {})


@pytest.mark.parametrize(
    ("options", "wait", "outcomes", "status", "attempts"),
    [
        ({}, 0, [GOOD], "ok", 1),
        ({}, 0, [SLOW], "warning", 1),
        ({}, 0, [BAD], "critical", 1),
        ({}, 0, [UNKNOWN], "unknown", 1),
        ({"retries": 2}, 0, [BAD, BAD, GOOD], "ok", 3),
        ({"retries": 2}, 0, [BAD, UNKNOWN, BAD], "critical", 3),
        ({"retries": 2}, 0, [NEVER], "unknown", 1),
        ({"consecutive": 3}, 0, [GOOD, GOOD, GOOD], "ok", 3),
        ({"consecutive": 3}, 0, [GOOD, SLOW, GOOD], "warning", 3),
        ({"consecutive": 3}, 0, [GOOD, GOOD, BAD], "critical", 3),
        ({"consecutive": 2, "retries": 1}, 0, [GOOD, BAD, GOOD, GOOD], "ok", 4),
        ({"consecutive": 2, "retries": 1}, 0, [GOOD, BAD, GOOD, BAD], "critical", 4),
        # Each attempt takes no time and each pause 10 seconds: at 30 another attempt may still begin.
        ({}, 30, [BAD, BAD, BAD, BAD], "critical", 4),
        ({}, 30, [BAD, BAD, BAD, GOOD], "ok", 4),
        ({"retries": 5}, 30, [BAD] * 6, "critical", 6),
        ({}, 30, [NEVER], "unknown", 1),
        ({"consecutive": 2}, 10, [BAD, GOOD, BAD], "critical", 3),
    ],
)
def test_the_course_of_a_probe(options, wait, outcomes, status, attempts):
    (probe,) = probes(1, interval_seconds=10, **options)
    course, now, verdict = Course(probe, float(wait)), 0.0, None
    for outcome in outcomes:
        assert verdict is None, "it was over before"
        verdict, due = course.record(outcome, now)
        if verdict is None:
            assert due == now + 10
            now = due
    assert verdict is not None, "it is not over"
    assert (verdict.status, verdict.details["attempts"]) == (status, attempts)
    assert verdict.details["failed_attempts"] == sum(outcome in (BAD, UNKNOWN, NEVER) for outcome in outcomes)


def test_failures_before_a_success_are_told():
    (probe,) = probes(1, retries=2)
    course = Course(probe, 0.0)
    course.record(BAD, 0.0)
    verdict, _due = course.record(GOOD, 1.0)
    assert verdict is not None and verdict.summary == "Good. 1 of 2 attempts failed before."


def test_every_probe_gets_its_own_outcome_in_order():
    def attempt(probe: Probe) -> Outcome:
        time.sleep(0.02 * (probe.options["port"] % 3))
        return Outcome("ok", probe.name)

    outcomes = run_probes(probes(50), attempt, concurrency=8)
    assert [outcome.summary for outcome in outcomes] == [f"localhost:{number + 1}" for number in range(50)]
    assert run_probes([], attempt) == []


def test_attempts_run_at_the_same_time_and_no_more_than_allowed():
    lock, running, most = threading.Lock(), [0], [0]
    together = threading.Barrier(4, timeout=20)

    def attempt(_probe: Probe) -> Outcome:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        together.wait()  # only passes when four are here at once
        with lock:
            running[0] -= 1
        return GOOD

    run_probes(probes(16), attempt, concurrency=4)
    assert most[0] == 4


def test_a_probe_that_pauses_keeps_no_place():
    """With one place, a probe that waits for its next attempt must not hold up the others."""
    order: list[str] = []

    def attempt(probe: Probe) -> Outcome:
        order.append(probe.name)
        return BAD if order.count(probe.name) == 1 and probe.name == "localhost:1" else GOOD

    outcomes = run_probes(probes(3, interval_seconds=0.2), attempt, concurrency=1, wait_seconds=30)
    assert [outcome.status for outcome in outcomes] == ["ok"] * 3
    assert order == ["localhost:1", "localhost:2", "localhost:3", "localhost:1"]


def test_an_attempt_that_hangs_is_left_behind_and_its_late_report_is_ignored(monkeypatch):
    monkeypatch.setattr(schedule, "GRACE_SECONDS", 0.1)
    released, reported = threading.Event(), threading.Event()
    calls = {1: 0, 2: 0}

    def attempt(probe: Probe) -> Outcome:
        number = probe.options["port"]
        calls[number] += 1
        if number == 1:
            released.wait(60)
            reported.set()
            return GOOD
        # The other probe goes on until the late report has come, so that somebody is there to take it in.
        if calls[2] == 10:
            released.set()
        return GOOD if reported.is_set() and calls[2] > 20 else BAD

    start = time.monotonic()
    outcomes = run_probes(probes(2, timeout_seconds=0.2, interval_seconds=0.1, retries=500), attempt, wait_seconds=0)
    assert time.monotonic() - start < 40
    assert outcomes[1].status == "ok"
    assert calls[2] > 20


def test_what_hangs_for_good_is_unknown(monkeypatch):
    monkeypatch.setattr(schedule, "GRACE_SECONDS", 0.1)
    released = threading.Event()

    def attempt(probe: Probe) -> Outcome:
        if probe.options["port"] == 1:
            released.wait(60)
        return GOOD

    start = time.monotonic()
    outcomes = run_probes(probes(2, timeout_seconds=0.2), attempt)
    assert time.monotonic() - start < 20
    released.set()
    assert [outcome.status for outcome in outcomes] == ["unknown", "ok"]
    assert "hung in the operating system and was left behind after 0.2 s" in outcomes[0].summary


def test_an_attempt_that_fails_itself_is_unknown_and_silences_no_other():
    def attempt(probe: Probe) -> Outcome:
        if probe.options["port"] == 1:
            raise RuntimeError("boom")
        return GOOD

    outcomes = run_probes(probes(2), attempt)
    assert [outcome.status for outcome in outcomes] == ["unknown", "ok"]
    assert "RuntimeError: boom" in outcomes[0].summary


def test_waiting_ends_at_the_deadline():
    start = time.monotonic()
    (outcome,) = run_probes(probes(1, interval_seconds=0.05), lambda _probe: BAD, wait_seconds=0.5)
    assert 0.4 < time.monotonic() - start < 20
    assert outcome.status == "critical"
    assert outcome.details["attempts"] >= 3
