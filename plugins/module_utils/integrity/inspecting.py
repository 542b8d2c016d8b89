# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call of the module, from options to results: compare with the baseline, or accept what is there as a new one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.upkeep.runbook.plugins.module_utils.accepting import refuse_other_baseline
from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    Unwanted,
    make_private_directory,
    remove_leftovers,
    replacing,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity import judging
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.baseline import (
    Baseline,
    BaselineWriter,
    Damaged,
    open_baseline,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.examining import Effort, Examination
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.findings import Findings, exists
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.options import Request, read_request
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.packages import explain
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.roots import Gap, find_roots
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.walking import Walk
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso


@dataclass
class _Pass:
    """What one pass knows in the end.

    :ivar row: of the baseline that it was compared with.
    :ivar examined: whether anything was looked at.
    :ivar compared: whether it was compared with a baseline.
    """

    row: dict[str, Any]
    known: dict[str, Any] | None
    findings: Findings = field(default_factory=Findings)
    effort: Effort = field(default_factory=Effort)
    gaps: list[Gap] = field(default_factory=list)
    other_file_systems: list[str] = field(default_factory=list)
    examined: bool = False
    compared: bool = False


def watch_files(params: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Return what the module returns.

    :param params: the options of the module ``file_integrity``.
    :raises UpkeepError: when an option is wrong, or what is there cannot be accepted.
    """
    request = read_request(params)
    if not request.accept:
        return _check(request, now)
    if check_mode:
        return _accept(request, now, check_mode=True)
    for folder in (request.baseline.parent.parent, request.baseline.parent):
        make_private_directory(folder)
    owner = LockOwner(params["run_id"] or "-", "file_integrity", to_iso(now))
    with exclusive_lock(Path(params["state_directory"]) / "lock", owner, wait_seconds=params["lock_wait_seconds"]):
        remove_leftovers(request.baseline.parent, now=now.timestamp())
        return _accept(request, now, check_mode=False)


def _check(request: Request, now: datetime) -> dict[str, Any]:
    with _opened(request, now) as (baseline, done):
        if baseline is not None:
            _examine(request, baseline, done, None)
        else:
            _roots, done.gaps = find_roots(request.paths)
    rows = [done.row]
    if done.compared:
        rows += _file_rows(request, done, done.findings)
    return _answer(request, done, rows, changed=False)


def _accept(request: Request, now: datetime, *, check_mode: bool) -> dict[str, Any]:
    with _opened(request, now) as (baseline, done):
        refuse_other_baseline(request.baseline, baseline.digest if baseline is not None else None, request.expected_digest)
        with _target(request.baseline, check_mode) as stream:
            writer = BaselineWriter(
                stream, accepted=now, reason=request.reason, previous=baseline.digest if baseline is not None else None
            )
            _examine(request, baseline, done, writer)
            writer.close()
            _refuse_unclean(request, done)
            changed = done.findings.differing > 0 or done.findings.unwatched_count > 0 or done.row["status"] != OK
            if not changed:
                raise Unwanted
    findings = done.findings
    rows = [done.row]
    if changed:
        digest = None if check_mode else writer.digest
        entries = writer.entries
        done.known = {
            "path": str(request.baseline), "digest": digest, "accepted": to_iso(now), "reason": request.reason, "entries": entries,
            "age_days": 0.0,
        }
        would = "would be" if check_mode else "was"
        rows = [check_result(
            judging.BASELINE, str(request.baseline), OK, f"The present state of {entries} paths {would} accepted ({request.reason}).",
            value=0.0, unit="days", evidence={"digest": digest},
        )]
    accepted = Findings(
        unchanged=findings.unchanged + findings.differing - findings.counts["removed"],
        unreadable=findings.unreadable, unreadable_count=findings.unreadable_count,
    )
    rows += _file_rows(request, done, accepted)
    answer = _answer(request, done, rows, changed=changed)
    # A first baseline changes nothing that was accepted before.
    return {**answer, "diff": judging.diff_of(findings.changes)}


@contextmanager
def _opened(request: Request, now: datetime) -> Iterator[tuple[Baseline | None, _Pass]]:
    """Yield the baseline, unless there is none that can be compared with, and the row that says what is known of it."""
    subject = str(request.baseline)
    with ExitStack() as stack:
        try:
            baseline = stack.enter_context(open_baseline(request.baseline))
        except Damaged as exc:
            yield None, _Pass(judging.damaged_baseline_row(subject, str(exc)), None)
            return
        except OSError as exc:
            yield None, _Pass(judging.unreadable_baseline_row(subject, exc), None)
            return
        if baseline is None:
            yield None, _Pass(judging.no_baseline_row(subject, request.expected_digest), None)
            return
        row = judging.baseline_row(
            subject, accepted=baseline.accepted, reason=baseline.reason, digest=baseline.digest, entries=baseline.entries, now=now,
            warning_days=request.baseline_warning_days, expected_digest=request.expected_digest, writable_by=baseline.writable_by,
        )
        known = {
            "path": subject, "digest": baseline.digest, "accepted": to_iso(baseline.accepted), "reason": baseline.reason,
            "entries": baseline.entries, "age_days": row["value"],
        }
        yield baseline, _Pass(row, known)


@contextmanager
def _target(path: Path, check_mode: bool) -> Iterator[BinaryIO]:
    if check_mode:
        with open(os.devnull, "wb") as stream:
            try:
                yield stream
            except Unwanted:
                pass
            except OSError as exc:
                raise UpkeepError(f"cannot read {path}: {exc.strerror}") from exc
        return
    with replacing(path) as stream:
        yield stream


def _examine(request: Request, baseline: Baseline | None, done: _Pass, writer: BaselineWriter | None) -> None:
    roots, done.gaps = find_roots(request.paths)
    trust = int(baseline.accepted.timestamp()) * 10**9 if request.trust_stat and baseline is not None else None
    walk = Walk(roots, request.exclusions, one_file_system=request.one_file_system, with_status=trust is not None)
    lines = baseline.lines() if baseline is not None else iter(())
    examination = Examination(
        walk, lines, workers=request.workers, trust_before=trust, capabilities=request.capabilities,
        max_file_bytes=request.max_file_bytes,
    )
    findings = done.findings
    try:
        for outcome in examination:
            before, after, problem = outcome
            if baseline is not None or problem:
                findings.take(outcome, exists)
            elif after:  # otherwise it came and went
                findings.counts["added"] += 1
            kept = after or (before if problem else None)
            if writer is not None and kept:
                writer.add(kept)
    except ValueError as exc:
        done.row = judging.damaged_baseline_row(str(request.baseline), f"holds lines that are none ({exc})")
        if writer is not None:
            raise UpkeepError(f"{request.baseline} holds lines that are none; move it away, then accept anew") from exc
        return
    except OSError as exc:
        if writer is not None:
            raise
        done.row = judging.unreadable_baseline_row(str(request.baseline), exc)
        return
    done.examined, done.compared = True, baseline is not None
    done.effort = examination.effort
    done.gaps += walk.gaps
    done.other_file_systems = walk.other_file_systems
    if request.explain_packages and baseline is not None:
        problem = explain(findings.changes, since=baseline.accepted)
        if problem:
            done.gaps.append(Gap("packages", f"cannot explain anything: {problem}", "Set explain_packages to false."))


def _refuse_unclean(request: Request, done: _Pass) -> None:
    findings = done.findings
    if not request.only_if_clean:
        return
    reasons = []
    if done.row["status"] != OK:
        reasons.append(f"of the baseline itself: {done.row['summary']}")
    unexplained = findings.differing - findings.explained if done.compared else 0
    for count, what in (
        (unexplained, "paths differ without a package that explains it"),
        (findings.unreadable_count, "paths could not be read"),
        (findings.unwatched_count, "paths of the baseline were not looked at"),
        (len(done.gaps), "paths to be watched are missing"),
    ):
        if count:
            reasons.append(f"{count} {what}")
    if reasons:
        rows = _file_rows(request, done, findings) if done.compared else []
        answer = _answer(request, done, [done.row, *rows], changed=False)
        raise UpkeepError(
            f"the present state is not accepted (only_if_clean), because {'; '.join(reasons)}. Look at the changes, then accept without"
            " only_if_clean and say why.", **answer,
        )


def _file_rows(request: Request, done: _Pass, findings: Findings) -> list[dict[str, Any]]:
    return judging.file_rows(
        findings, severity=request.severity, trusted=done.effort.trusted, return_all=request.return_all
    )


def _answer(request: Request, done: _Pass, rows: list[dict[str, Any]], *, changed: bool) -> dict[str, Any]:
    findings = done.findings
    rows += judging.coverage_rows(request.paths if done.examined else [], done.gaps, findings, return_all=request.return_all)
    return {
        "changed": changed,
        "status": worst_of(rows),
        "checks": rows,
        "baseline": done.known,
        "changes": judging.change_details(findings.changes, return_all=request.return_all),
        "totals": {
            **asdict(done.effort), "unchanged": findings.unchanged, **findings.counts, "explained": findings.explained,
            "unreadable": findings.unreadable_count, "unwatched": findings.unwatched_count,
            "other_file_systems": len(done.other_file_systems),
        },
    }
