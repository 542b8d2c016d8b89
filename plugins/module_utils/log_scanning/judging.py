# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The check results of a group, from what was counted in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK, UNKNOWN, WARNING, check_result, grade, worst
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import figure_text
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.baseline import DAYS, Baseline
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import Group, Ignore, Limits, Pattern
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import duration_text
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

ERRORS, NEW_SIGNATURES, PATTERN, READABLE, CURSOR, IGNORE = (
    "log.errors", "log.new_signatures", "log.pattern", "log.readable", "log.cursor", "log.ignore",
)  # fmt: skip
_PER_MINUTE = "per_minute"
_LOOK_HINT = "Look at matches and new_signatures of the result, or at the log itself."


@dataclass(frozen=True)
class Window:
    """The time that a run looked at.

    :ivar minutes: its length, or None when nobody knows it.
    """

    minutes: float | None

    def rate(self, count: int) -> float | None:
        """Return a count per minute; a window of seconds counts as a minute, lest one line make a storm."""
        return None if self.minutes is None else round(count / max(self.minutes, 1.0), 4)

    def text(self) -> str:
        """Return `` in 3 hours``, or nothing."""
        return "" if self.minutes is None else f" in {duration_text(self.minutes * 60)}"


def errors_check(
    group: str, count: int, window: Window, limits: Limits, baseline: Baseline | None, *, least_runs: int
) -> dict[str, Any]:
    """Return the check of the error lines of a group: their number, their rate, and whether the rate is unusual."""
    rate = window.rate(count)
    by_count, by_rate = _graded(count, rate, limits)
    enough = baseline is not None and baseline.runs >= least_runs
    unusual = enough and baseline is not None and rate is not None and rate > baseline.limit
    status = worst([by_count, by_rate, WARNING if unusual else OK])
    parts = [f"{group}: {_lines(count)}{window.text()}{_rate_text(rate)}"]
    parts += _limit_texts(limits)
    if baseline is None or not enough:
        runs = baseline.runs if baseline else 0
        parts.append(f"not compared with earlier runs: {runs} of {least_runs} are there")
    else:
        compared = "unusual: " if unusual else ""
        parts.append(
            f"{compared}the median of {baseline.runs} runs of {DAYS} days is {figure_text(baseline.median, _PER_MINUTE)}, "
            f"unusual above {figure_text(baseline.limit, _PER_MINUTE)}"
        )
    counts_only = any(limits.counts) and (not any(limits.rates) or by_count == status != by_rate)
    return check_result(
        ERRORS, group, status, "; ".join(parts) + ".", hint=None if status == OK else _LOOK_HINT,
        **_value(count, rate, limits, counts_only=counts_only or rate is None),
    )  # fmt: skip


def pattern_check(group: str, pattern: Pattern, count: int, window: Window) -> dict[str, Any]:
    """Return the check of a named pattern in a group."""
    rate = window.rate(count)
    limits = pattern.limits
    if limits.given:
        status = worst(_graded(count, rate, limits))
    else:
        status = OK if not count or pattern.severity == "info" else {"warning": WARNING, "critical": CRITICAL}[pattern.severity]
        limits = Limits(1 if pattern.severity == "warning" else None, 1 if pattern.severity == "critical" else None)
    parts = [f"{pattern.name} in {group}: {_lines(count, '')}{window.text()}{_rate_text(rate)}", *_limit_texts(limits)]
    counts_only = rate is None or not any(limits.rates)
    return check_result(
        PATTERN, f"{group}/{pattern.name}", status, "; ".join(parts) + ".", hint=None if status == OK else _LOOK_HINT,
        **_value(count, rate, limits, counts_only=counts_only),
    )  # fmt: skip


def new_signatures_check(group: str, new: Sequence[str], folded: int, limits: Limits, *, first: bool, known: int, kept: bool = True) -> dict[str, Any]:
    """Return the check of errors that no run met before.

    :param new: their texts. :param folded: error lines that were too many to be told apart.
    :param first: there was no run before, so nothing can be new. :param kept: what is met is known to the next run.
    """
    count = len(new)
    if first:
        summary = f"{group}: the first look; {count} kinds of errors are known from now on."
        if not kept:
            summary = f"{group}: {count} kinds of errors; they were compared with those of no other run."
        return check_result(NEW_SIGNATURES, group, OK, summary, value=0, unit="count", **_levels(limits.counts))
    status = grade(count, *_on(limits.counts))
    summary = f"{group}: {count} kinds of errors that no run met before ({known} are known)"
    if folded:
        summary += f", and {folded} error lines of more kinds than are told apart"
    if new:
        summary += f"; for example: {new[0]}"
    return check_result(
        NEW_SIGNATURES, group, status, summary + ".", value=count, unit="count", hint=None if status == OK else _LOOK_HINT,
        **_levels(limits.counts),
    )  # fmt: skip


def readable_check(group: str, problems: Sequence[tuple[str, Unreadable]], warnings: Sequence[str], files: int) -> dict[str, Any]:
    """Return whether all that the group names could be read.

    :param problems: what could not, and why. :param warnings: sentences about lines that may be missed.
    """
    if problems:
        subject, problem = problems[0]
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        summary = f"{group}: {subject} {problem}{more}."
        evidence = {"problems": [f"{subject} {problem}" for subject, problem in problems[:20]], "warnings": list(warnings[:20])}
        return check_result(READABLE, group, UNKNOWN, summary, hint=problem.hint, value=len(problems), unit="count", evidence=evidence)
    if warnings:
        more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
        return check_result(
            READABLE, group, WARNING, f"{group}: {warnings[0]}{more}.", evidence={"warnings": list(warnings[:20])},
            hint="Let the logs be scanned more often, or rotated archives be kept longer.",
        )  # fmt: skip
    return check_result(READABLE, group, OK, f"{group}: all was read ({files} files).", value=0, unit="count")


def unread_checks(group: Group, patterns: Sequence[Pattern]) -> list[dict[str, Any]]:
    """Return the checks of a group of which nothing could be read: what nobody saw is not ok."""
    subjects = [(ERRORS, group.name), (NEW_SIGNATURES, group.name)] if group.levels else []
    subjects += [(PATTERN, f"{group.name}/{pattern.name}") for pattern in patterns]
    return [
        check_result(check, subject, UNKNOWN, f"{subject}: not known, since nothing could be read.", hint=f"See {READABLE} of {group.name}.")
        for check, subject in subjects
    ]


def cursor_check(group: str, status: str, reason: str) -> dict[str, Any]:
    """Return that the place where the run ended could not be kept, or that of the last run not be used."""
    return check_result(
        CURSOR, group, status, f"{group}: {reason}.",
        hint="See that the state directory is writable and has room; other runs of the same group must have ended.",
    )  # fmt: skip


def ignore_check(
    ignore: Ignore, first: float, used: float, now: float, *, expired: bool, unused_days: int
) -> dict[str, Any]:
    """Return the check of a decision to ignore lines: an expired one, and one that fits nothing any more, is a warning.

    :param first: when a run first met it; ``used``: when it fitted a line last, 0 for never. Seconds since the epoch.
    """
    days = (now - max(first, used)) / 86400
    if expired:
        text = f"The ignore of {ignore.subject!r} expired at {to_iso(ignore.expires)}; its lines count again (reason: {ignore.reason})."
        return check_result(IGNORE, ignore.subject, WARNING, text, hint="Mend what writes the lines, or decide again and give a new end.")
    if days >= unused_days:
        text = f"The ignore of {ignore.subject!r} has fitted no line for {int(days)} days (warning at {unused_days}; reason: {ignore.reason})."
        hint = "Remove it from the list of ignores."
        return check_result(IGNORE, ignore.subject, WARNING, text, value=round(days, 1), unit="days", warning=unused_days, hint=hint)
    text = f"Lines with {ignore.subject!r} are ignored until {to_iso(ignore.expires)} (reason: {ignore.reason})."
    return check_result(IGNORE, ignore.subject, OK, text, value=round(days, 1), unit="days", warning=unused_days)


def _graded(count: int, rate: float | None, limits: Limits) -> tuple[str, str]:
    return grade(count, *_on(limits.counts)), OK if rate is None else grade(rate, *_on(limits.rates))


def _on(limits: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    """Return thresholds with those that are switched off as None."""
    return limits[0] or None, limits[1] or None


def _levels(limits: tuple[float | None, float | None]) -> Mapping[str, Any]:
    warning, critical = _on(limits)
    return {"warning": warning, "critical": critical}


def _value(count: int, rate: float | None, limits: Limits, *, counts_only: bool) -> Mapping[str, Any]:
    if counts_only:
        return {"value": count, "unit": "count", **_levels(limits.counts)}
    return {"value": rate, "unit": _PER_MINUTE, **_levels(limits.rates)}


def _lines(count: int, kind: str = "error ") -> str:
    return f"{count} {kind}line{'' if count == 1 else 's'}"


def _rate_text(rate: float | None) -> str:
    return "" if rate is None else f" ({figure_text(rate, _PER_MINUTE)})"


def _limit_texts(limits: Limits) -> list[str]:
    texts = []
    for pair, unit in ((_on(limits.counts), "count"), (_on(limits.rates), _PER_MINUTE)):
        named = [f"{name} from {figure_text(limit, unit)}" for name, limit in zip(("warning", "critical"), pair) if limit is not None]
        texts += [", ".join(named)] if named else []
    return texts
