# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the scan, from options to results."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory, remove_leftovers
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, UNKNOWN, WARNING, fold_ok, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.baseline import baseline_of, with_point
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.clocks import (
    OutOfTime,
    boot_clock,
    elapsed_since,
    time_limit,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.counting import Counter
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.group_scan import Scanned, scan_group
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.judging import (
    Window,
    cursor_check,
    errors_check,
    ignore_check,
    new_signatures_check,
    pattern_check,
    readable_check,
    unread_checks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.memory import (
    Memory,
    Point,
    load_memory,
    memory_path,
    merged_signatures,
    save_memory,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.options import (
    Group,
    Options,
    Pattern,
    read_options,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.reach import reach_check
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.results import (
    MAX_ROWS,
    group_details,
    new_signature_rows,
    totals_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.unreadable import Unreadable
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

_LOCK_SECONDS = 10.0
#: What a block in work may take after the time is over.
_GRACE_SECONDS = 30.0
_SLOW_HINT = "Write a simpler expression, without nested repeats, or raise timeout_seconds."
_FORGET_IGNORES_SECONDS = 400 * 86400


@dataclass
class Answer:
    """What the module returns, as it grows."""

    checks: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    matches: list[dict[str, Any]] = field(default_factory=list)
    new_signatures: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0
    #: When each ignore was first met and fitted a line last, by its position, over all groups.
    ignores: dict[int, tuple[float, float]] = field(default_factory=dict)


def scan_logs(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Scan every group and return what the module returns, but for ``changed``.

    :param params: the options of the module.
    :param check_mode: nothing is written; the next run tells the same again.
    :raises UpkeepError: when an option is wrong.
    """
    options = read_options(params, now)
    owner = LockOwner(params["run_id"] or "-", "log_scan", to_iso(now))
    scan = _Scan(options, Path(params["state_directory"]), owner, now, writes=options.cursor and not check_mode)
    end = time.monotonic() + options.timeout_seconds
    for number, group in enumerate(options.groups):
        # What a group does not use of its share is left to those after it.
        share = max(end - time.monotonic(), 0.0) / (len(options.groups) - number)
        scan.group(group, time.monotonic() + share)
    return scan.result(return_all=params["return_all"])


class _Scan:
    """The groups of a call, one after the other."""

    def __init__(self, options: Options, state_directory: Path, owner: LockOwner, now: datetime, *, writes: bool) -> None:
        self._options = options
        self._state = state_directory
        self._owner = owner
        self._now = now
        self._writes = writes
        self._clock = boot_clock()
        self._answer = Answer()
        #: Of the group in work.
        self._met: dict[int, tuple[float, float]] = {}

    def group(self, group: Group, deadline: float) -> None:
        """Scan one group, and write down where it ended."""
        path = memory_path(self._state, group.name)
        try:
            with self._alone(path):
                self._scan_locked(group, path, deadline)
        except UpkeepError as exc:
            self._answer.checks.append(cursor_check(group.name, UNKNOWN, f"was not scanned: {exc.message}"))

    @contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        if not self._writes:
            yield
            return
        make_private_directory(self._state)
        make_private_directory(path.parent)
        with exclusive_lock(path.with_suffix(".lock"), self._owner, wait_seconds=_LOCK_SECONDS):
            remove_leftovers(path.parent, now=time.time())
            yield

    def _scan_locked(self, group: Group, path: Path, deadline: float) -> None:
        memory, checks = self._remembered(group, path)
        options = self._options
        patterns = [pattern for pattern in options.patterns if not pattern.groups or group.name in pattern.groups]
        positions = [
            position
            for position, ignore in enumerate(options.ignores)
            if self._now < ignore.expires and (not ignore.groups or group.name in ignore.groups)
        ]
        counter = Counter(
            patterns, [options.ignores[position] for position in positions], levels=group.levels, known=memory.signatures,
            max_matches=options.max_matches,
        )  # fmt: skip
        elapsed, jump = elapsed_since(memory, self._now, self._clock)
        try:
            with time_limit(max(deadline - time.monotonic(), 0.0) + _GRACE_SECONDS):
                scanned = scan_group(
                    group, memory, counter, since=options.since, now=self._now, deadline=deadline, clock_is_right=not jump
                )
        except OutOfTime:
            words = f"the pattern {counter.busy_with!r}" if counter.busy_with else "reading"
            problem = Unreadable(f"was not read to its end: {words} took too long", _SLOW_HINT)
            self._answer.checks += [*checks, readable_check(group.name, [("what it names", problem)], [], 0)]
            self._answer.checks += unread_checks(group, patterns)
            return
        if jump:
            scanned.warnings.append(jump)
        self._note_ignores(memory, positions, {positions[number] for number in counter.used})
        first = memory.written is None
        if first and isinstance(options.since, datetime):
            elapsed = (self._now - options.since).total_seconds()
        window = Window(None if elapsed is None else elapsed / 60)
        checks += self._judge(group, patterns, memory, scanned, window)
        if self._writes:
            # A first look, a changed clock, and a run that did not read everything say nothing of what is usual.
            usual = not first and not jump and scanned.complete and not scanned.problems
            rate = window.rate(counter.errors) if usual and window.minutes is not None and window.minutes >= 1 else None
            checks += self._keep(path, group, self._later(memory, scanned, rate))
        self._answer.checks += checks

    def _remembered(self, group: Group, path: Path) -> tuple[Memory, list[dict[str, Any]]]:
        """Return what the last run left, and what is to be said when that is damaged."""
        if not self._options.cursor:
            return Memory(), []
        try:
            return load_memory(path), []
        except ValueError as exc:
            where = "was left as it is"
            if self._writes:
                where = f"was set aside as {_set_aside(path)}"
            reason = f"what the last run left in {path} is damaged ({exc}) and {where}; this is a first look again"
            return Memory(), [cursor_check(group.name, WARNING, reason)]

    def _judge(
        self, group: Group, patterns: Sequence[Pattern], memory: Memory, scanned: Scanned, window: Window
    ) -> list[dict[str, Any]]:
        """Return the checks of a group, and take what was found into the answer."""
        options, counter, seconds = self._options, scanned.counter, self._now.timestamp()
        baseline = baseline_of(memory.points, seconds, factor=options.baseline_factor)
        new = [seen for fingerprint, seen in counter.signatures.items() if fingerprint not in memory.signatures]
        checks = [readable_check(group.name, scanned.problems, scanned.warnings, len(scanned.files))]
        if scanned.reach is not None:
            checks.append(reach_check(group.name, scanned.reach, scanned.since, counter.lines, self._now))
        if scanned.problems and not counter.lines:
            checks += unread_checks(group, patterns)
        else:
            if group.levels:
                least = options.baseline_runs
                checks.append(errors_check(group.name, counter.errors, window, group.limits, baseline, least_runs=least))
                checks.append(
                    new_signatures_check(
                        group.name, [seen.text for seen in new], counter.folded, options.new_signatures,
                        first=memory.written is None, known=len(memory.signatures), kept=options.cursor,
                    )
                )  # fmt: skip
            checks += [pattern_check(group.name, *found, window) for found in zip(patterns, counter.patterns)]
        answer = self._answer
        answer.groups.append(group_details(group, patterns, scanned, window, baseline, len(new), worst_of(checks)))
        answer.matches += [{"group": group.name, **row} for row in counter.matches]
        answer.left_out += counter.left_out
        rows = new_signature_rows(group.name, counter.signatures, memory.signatures, self._now)
        answer.new_signatures += rows[: options.max_new_signatures]
        return checks

    def _later(self, memory: Memory, scanned: Scanned, rate: float | None) -> Memory:
        """Return what the next run finds."""
        seconds = self._now.timestamp()
        ignores = {
            subject: times for subject, times in memory.ignores.items() if seconds - max(times) < _FORGET_IGNORES_SECONDS
        }
        ignores.update((self._options.ignores[position].subject, times) for position, times in self._met.items())
        return Memory(
            seconds, self._clock, scanned.logs, tuple(scanned.records), scanned.journal,
            merged_signatures(memory.signatures, scanned.counter.signatures, seconds),
            with_point(memory.points, None if rate is None else Point(seconds, rate)), ignores,
        )  # fmt: skip

    def _keep(self, path: Path, group: Group, memory: Memory) -> list[dict[str, Any]]:
        """Write down what the next run finds; return what is to be said when that fails."""
        try:
            save_memory(path, memory)
        except UpkeepError as exc:
            reason = f"where the run ended was not kept, so the next one tells the same again: {exc.message}"
            return [cursor_check(group.name, UNKNOWN, reason)]
        return []

    def _note_ignores(self, memory: Memory, positions: Sequence[int], used: Collection[int]) -> None:
        """Note for the ignores of a group when they were first met and fitted a line last."""
        seconds = self._now.timestamp()
        self._met = {}
        for position in positions:
            first, last = memory.ignores.get(self._options.ignores[position].subject, (seconds, 0.0))
            self._met[position] = first, seconds if position in used else last
            before = self._answer.ignores.get(position, (first, 0.0))
            self._answer.ignores[position] = min(before[0], first), max(before[1], self._met[position][1])

    def result(self, *, return_all: bool) -> dict[str, Any]:
        """Return what the module returns."""
        answer, seconds, options = self._answer, self._now.timestamp(), self._options
        for position, ignore in enumerate(options.ignores):
            first, used = answer.ignores.get(position, (seconds, 0.0))
            expired = self._now >= ignore.expires
            if expired or position in answer.ignores:
                answer.checks.append(
                    ignore_check(ignore, first, used, seconds, expired=expired, unused_days=options.unused_days)
                )
        return {
            "status": worst_of(answer.checks),
            "checks": fold_ok(answer.checks, return_all=return_all),
            "groups": [row for row in answer.groups if return_all or row["status"] != OK],
            "matches": answer.matches[:MAX_ROWS],
            "matches_left_out": answer.left_out + max(len(answer.matches) - MAX_ROWS, 0),
            "new_signatures": answer.new_signatures[:MAX_ROWS],
            "totals": totals_of(answer.groups),
        }


def _set_aside(path: Path) -> Path:
    """Move a damaged memory out of the way and return where to; one is kept.

    :raises UpkeepError: when it cannot be moved.
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        os.replace(path, aside)
    except OSError as exc:
        raise UpkeepError(f"cannot move {path} away: {exc.strerror}") from exc
    return aside
