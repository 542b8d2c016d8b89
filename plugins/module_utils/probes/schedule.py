# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""When a probe is tried again, and many probes at once.

:class:`Course` decides and knows neither clock nor threads. :func:`run_probes` does what it says: every attempt runs
in a daemon thread of its own, so that an attempt that hangs in the operating system is left behind instead of
holding the module; waiting between attempts takes no thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Callable

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import UNKNOWN, severity
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import Probe
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Outcome

#: An attempt keeps its own deadline; one that is this much late is left behind.
GRACE_SECONDS = 1.0

Attempt = Callable[[Probe], Outcome]


class Course:
    """The attempts of one probe so far, and what follows from them.

    A probe passes with ``consecutive`` good attempts in a row. Each bad one uses up a retry; while the module waits
    (``wait_until``), bad attempts cost nothing.

    :param wait_until: moment on the monotonic clock up to which a failing probe is tried again.
    """

    def __init__(self, probe: Probe, wait_until: float) -> None:
        self._retries: int = probe.options["retries"]
        self._interval: float = probe.options["interval_seconds"]
        self._consecutive: int = probe.options["consecutive"]
        self._wait_until = wait_until
        self._streak: list[Outcome] = []
        self.attempts = 0
        self.failed_attempts = 0

    def record(self, outcome: Outcome, now: float) -> tuple[Outcome | None, float]:
        """Take in an outcome; return the verdict, or None and the moment of the next attempt."""
        self.attempts += 1
        due = now + self._interval
        if outcome.passed:
            self._streak.append(outcome)
            if len(self._streak) < self._consecutive:
                return None, due
            return self._verdict(max(reversed(self._streak), key=lambda good: severity(good.status))), 0.0
        self._streak = []
        self.failed_attempts += 1
        if outcome.permanent or (self.failed_attempts > self._retries and due > self._wait_until):
            return self._verdict(outcome), 0.0
        return None, due

    def _verdict(self, outcome: Outcome) -> Outcome:
        details = {**outcome.details, "attempts": self.attempts, "failed_attempts": self.failed_attempts}
        summary = outcome.summary
        if self.failed_attempts and outcome.passed:
            summary += f" {self.failed_attempts} of {self.attempts} attempts failed before."
        elif self.attempts > 1 and not outcome.passed:
            summary += f" This was attempt {self.attempts}; {self.failed_attempts} failed."
        return replace(outcome, summary=summary, details=details)


class _Running:
    """The probes that are under way, keyed by a ticket that a late attempt no longer holds."""

    def __init__(self, probes: Sequence[Probe], attempt: Attempt, clock: Callable[[], float]) -> None:
        self._probes = probes
        self._attempt = attempt
        self._clock = clock
        self._reports: queue.Queue[tuple[int, Outcome]] = queue.Queue()
        self._tickets: dict[int, tuple[int, float]] = {}
        self._next_ticket = 0

    def __len__(self) -> int:
        return len(self._tickets)

    def start(self, index: int) -> None:
        """Begin an attempt of a probe in a thread."""
        probe, ticket = self._probes[index], self._next_ticket
        self._next_ticket += 1
        self._tickets[ticket] = (index, self._clock() + probe.options["timeout_seconds"] + GRACE_SECONDS)
        threading.Thread(target=self._work, args=(ticket, probe), name=probe.series, daemon=True).start()

    def _work(self, ticket: int, probe: Probe) -> None:
        try:
            outcome = self._attempt(probe)
        except Exception as exc:  # whatever it is, it must not leave the coordinator waiting
            outcome = Outcome(
                UNKNOWN, f"The {probe.type} probe {probe.name} itself failed: {type(exc).__name__}: {exc}."
            )
        self._reports.put((ticket, outcome))

    def wait(self, until: float | None) -> list[tuple[int, Outcome]]:
        """Wait until an attempt reports, one is late, or the moment comes; return what is known then."""
        alarms = [late for _index, late in self._tickets.values()] + ([] if until is None else [until])
        try:
            reports = [self._reports.get(timeout=max(0.0, min(alarms) - self._clock()))]
        except queue.Empty:
            reports = []
        while not self._reports.empty():
            reports.append(self._reports.get())
        found = [(self._tickets.pop(ticket)[0], outcome) for ticket, outcome in reports if ticket in self._tickets]
        now = self._clock()
        for ticket in [ticket for ticket, (_index, late) in self._tickets.items() if late <= now]:
            index = self._tickets.pop(ticket)[0]
            found.append((index, _left_behind(self._probes[index])))
        return found


def run_probes(
    probes: Sequence[Probe],
    attempt: Attempt,
    *,
    wait_seconds: float = 0.0,
    concurrency: int = 32,
    clock: Callable[[], float] = time.monotonic,
) -> list[Outcome]:
    """Run all probes, ``concurrency`` attempts at a time; return one outcome each, in order.

    The call ends when every probe has its verdict: after ``wait_seconds`` no failing probe begins another attempt
    beyond its retries.

    :param attempt: makes one attempt; it never raises what a probe expects to meet.
    """
    wait_until = clock() + wait_seconds
    courses = [Course(probe, wait_until) for probe in probes]
    verdicts: list[Outcome | None] = [None] * len(probes)
    running = _Running(probes, attempt, clock)
    due = [(0.0, index) for index in range(len(probes))]
    while due or len(running):
        due.sort()
        while due and due[0][0] <= clock() and len(running) < concurrency:
            running.start(due.pop(0)[1])
        # With every place taken, only a report can let the next attempt begin.
        for index, outcome in running.wait(due[0][0] if due and len(running) < concurrency else None):
            verdict, next_due = courses[index].record(outcome, clock())
            if verdict is None:
                due.append((next_due, index))
            else:
                verdicts[index] = verdict
    return [verdict for verdict in verdicts if verdict is not None]


def _left_behind(probe: Probe) -> Outcome:
    limit = probe.options["timeout_seconds"]
    return Outcome(
        UNKNOWN,
        f"The {probe.type} probe {probe.name} hung in the operating system and was left behind after {limit:g} s.",
    )
