# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one attempt of a probe found out, and the two ways in which it can go wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, Value, grade


class Broken(Exception):
    """The service is at fault: the check is critical. The message completes "<target> <message>."."""


class Unchecked(Exception):
    """The probe could not look: the check is unknown. The message completes "<target> could not be checked: …".

    :param hint: how to mend it.
    :param permanent: trying again during this run cannot help (a missing program, a missing right).
    """

    def __init__(self, message: str, *, hint: str = "", permanent: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.permanent = permanent


class Previous(NamedTuple):
    """A counter as the last run saw it."""

    when: str
    restarts: int


@dataclass(frozen=True)
class Outcome:
    """What one attempt found.

    :ivar summary: one plain sentence with the figure and what was expected.
    :ivar latency_seconds: time until the answer was complete; None when there was none.
    :ivar value: what was measured, when it is not the latency.
    :ivar details: further return values of the probe; never a secret.
    :ivar permanent: another attempt in this run cannot change the outcome.
    :ivar restarts: the restart counter of the service, to be compared by the next run.
    """

    status: str
    summary: str
    latency_seconds: float | None = None
    value: Value = None
    unit: str | None = None
    hint: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    permanent: bool = False
    restarts: int | None = None

    @property
    def passed(self) -> bool:
        """True when the service does its work, be it slowly: a warning is no reason to try again."""
        return self.status in (OK, WARNING)


def broken(target: str, problem: Broken) -> Outcome:
    """Return the outcome of an attempt that found the service at fault."""
    return Outcome(CRITICAL, f"{target} {problem}.")


def unchecked(target: str, problem: Unchecked) -> Outcome:
    """Return the outcome of an attempt that could not look."""
    return Outcome(
        UNKNOWN, f"{target} could not be checked: {problem}.", hint=problem.hint, permanent=problem.permanent
    )


def graded_by_latency(outcome: Outcome, warning_seconds: float | None, critical_seconds: float | None) -> Outcome:
    """Return the outcome, made worse when the answer was right but took too long."""
    if outcome.status != OK or outcome.latency_seconds is None:
        return outcome
    status = grade(outcome.latency_seconds, warning_seconds, critical_seconds)
    if status == OK:
        return outcome
    threshold = critical_seconds if status == CRITICAL else warning_seconds
    summary = f"{outcome.summary.rstrip('.')}; {status} from {threshold:g} s."
    return replace(outcome, status=status, summary=summary)


def restarts_since(count: int, previous: Previous | None) -> int | None:
    """Return how often the service restarted since the last run; None when no run has looked before.

    A counter that went down was reset (by a manual restart or a reboot): what it shows now has happened since.
    """
    if previous is None:
        return None
    return count - previous.restarts if count >= previous.restarts else count


def graded_by_restarts(
    outcome: Outcome, previous: Previous | None, warning_restarts: int | None, critical_restarts: int | None
) -> Outcome:
    """Return the outcome with the restarts since the last run in it, made worse when there were too many."""
    if outcome.restarts is None:
        return outcome
    since = restarts_since(outcome.restarts, previous)
    outcome = replace(outcome, details={**outcome.details, "restarts": outcome.restarts, "restarts_since_last": since})
    if outcome.status != OK or not since or previous is None:
        return outcome
    status = grade(since, warning_restarts, critical_restarts)
    if status == OK:
        return outcome
    threshold = critical_restarts if status == CRITICAL else warning_restarts
    times = "once" if since == 1 else f"{since} times"
    summary = (
        f"{outcome.summary.rstrip('.')}, but restarted {times} since {previous.when}; {status} from {threshold}."
    )
    return replace(outcome, status=status, summary=summary, hint="Read the log of the service for why it restarts.")


def seconds(duration: float) -> str:
    """Return a duration for people, to the millisecond: ``0.012 s``."""
    return f"{duration:.3f} s"


def listed(values: list[Any], word: str = "or") -> str:
    """Return values as people list them: ``200, 301 or 302``."""
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}"
