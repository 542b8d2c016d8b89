# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a report directory (``docs/reports.md``), so written that a run killed at any moment does no harm.

One run writes at a time. A run exists as soon as its record exists, which is written last; everything above the
directory of the run (index, latest, heartbeats, metrics) is derived from the runs that are there and made anew each time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import (
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    make_private_directory,
    remove_leftovers,
    write_atomically,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import (
    CLOCK_TOLERANCE_SECONDS,
    HEARTBEATS,
    heartbeat_content,
    heartbeat_path,
    read_heartbeats,
    slug,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.index_page import index_page
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.prometheus_text import exposition
from ansible_collections.upkeep.runbook.plugins.module_utils.run_index import (
    INDEX,
    RECORD,
    RUNS,
    newest_key,
    past_runs,
    read_file,
    read_record,
    surplus,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import from_iso, is_run_id, to_iso

PAGE = "report.html"
MARKDOWN = "report.md"
LOCK = ".lock"

#: The files of a run; the record comes last: with it the run exists.
_RUN_FILES = (PAGE, MARKDOWN, RECORD)
_LATEST = {RECORD: "latest.json", PAGE: "latest.html", MARKDOWN: "latest.md"}

#: The owner writes and a group reads: a web server's group may be given to the directory. Nobody else sees anything.
FILE_MODE = 0o640
DIRECTORY_MODE = 0o750
#: The node exporter runs as a user of its own.
METRICS_MODE = 0o644


@dataclass(frozen=True)
class Report:
    """What a run wants to be written.

    :ivar whole: the run covered the whole platform, so it may speak for it: heartbeat and metrics are written.
    """

    record: Mapping[str, Any]
    html: str
    markdown: str
    whole: bool


@dataclass
class Written:
    """What came of it; ``paths`` by name, ``removed`` are ids of old runs, ``problems`` are worth a warning."""

    paths: dict[str, str]
    removed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def report_paths(directory: Path, record: Mapping[str, Any], prometheus_directory: Path | None) -> dict[str, str]:
    """Return where the files of a run are, by name."""
    run = directory / RUNS / record["run_id"]
    paths = {
        "record": run / RECORD,
        "html": run / PAGE,
        "markdown": run / MARKDOWN,
        "latest": directory / _LATEST[PAGE],
        "index": directory / "index.html",
    }
    if prometheus_directory is not None:
        paths["prometheus"] = prometheus_directory / f"upkeep_{slug(record['platform'])}.prom"
    return {name: str(path) for name, path in paths.items()}


def write_report(
    directory: Path, report: Report, *, keep_runs: int, prometheus_directory: Path | None, wait_seconds: float
) -> Written:
    """Write everything about a run, remove what is beyond the bound.

    :param directory: absolute; created when missing.
    :param keep_runs: how many runs of each playbook of each platform stay.
    :param wait_seconds: how long to wait for another run that writes here.
    :raises LockHeld: when another run still writes; the message says which.
    :raises UpkeepError: when a file cannot be written; what was there before is unchanged.
    """
    record = report.record
    if not is_run_id(str(record.get("run_id"))):
        raise UpkeepError(f"record.run_id is {record.get('run_id')!r}; it must be YYYYMMDDTHHMMSSZ-8 hexadecimal digits")
    written = Written(report_paths(directory, record, prometheus_directory))
    make_private_directory(directory, DIRECTORY_MODE)
    owner = LockOwner(record["run_id"], record["playbook"], record["started"])
    with exclusive_lock(directory / LOCK, owner, wait_seconds=wait_seconds):
        _clean(directory)
        _write_run(directory, report)
        runs, problem = past_runs(directory)
        written.problems += [f"{problem}; it was made anew from the records of the runs"] if problem else []
        written.problems += [f"the record of run {run['run_id']} cannot be used: {run['damaged']}" for run in runs if run.get("damaged")]
        if report.whole:
            make_private_directory(directory / HEARTBEATS, DIRECTORY_MODE)
            path = heartbeat_path(directory, record["platform"], record["playbook"])
            write_atomically(path, heartbeat_content(record), FILE_MODE)
        beats, damaged = read_heartbeats(directory, record["platform"])
        written.problems += [f"the heartbeat {name} cannot be used: {reason}" for name, reason in damaged.items()]
        needed = {record["run_id"], *(beat["run_id"] for beat in beats.values())}
        written.removed = surplus(runs, keep=keep_runs, needed=needed)
        kept = [run for run in runs if run["run_id"] not in written.removed]
        # This run ends now, so one that ended long after it had a clock that was ahead: it would stay the latest for ever.
        limit = to_iso(from_iso(record["ended"]) + timedelta(seconds=CLOCK_TOLERANCE_SECONDS + wait_seconds))
        written.problems += [
            f"run {run['run_id']} ended in the future ({run['ended']}): a clock was ahead, so it is not the latest"
            for run in kept if run["ended"] > limit and not run.get("damaged")
        ]
        _write_index(directory, kept, not_after=limit)
        for run_id in written.removed:
            _remove_run(directory / RUNS / run_id)
        if prometheus_directory is not None and report.whole:
            _write_metrics(directory, Path(written.paths["prometheus"]), record, beats)
    return written


def _clean(directory: Path) -> None:
    """Remove what killed runs left: the lock is ours, so nobody is at work on it."""
    now = time.time() + 1
    for folder in (directory, directory / HEARTBEATS):
        if folder.is_dir():
            remove_leftovers(folder, now=now, min_age_seconds=0)
    if not (directory / RUNS).is_dir():
        return
    for entry in list(os.scandir(directory / RUNS)):
        if not (is_run_id(entry.name) and entry.is_dir(follow_symlinks=False)):
            continue
        if os.path.exists(os.path.join(entry.path, RECORD)):
            remove_leftovers(Path(entry.path), now=now, min_age_seconds=0)
        else:
            _remove_run(Path(entry.path))


def _write_run(directory: Path, report: Report) -> None:
    run = directory / RUNS / report.record["run_id"]
    make_private_directory(directory / RUNS, DIRECTORY_MODE)
    existed = (run / RECORD).exists()
    contents = {
        PAGE: report.html.encode("utf-8", "replace"),
        MARKDOWN: report.markdown.encode("utf-8", "replace"),
        RECORD: json.dumps(report.record, indent=1).encode() + b"\n",
    }
    try:
        make_private_directory(run, DIRECTORY_MODE)
        for name in _RUN_FILES:
            write_atomically(run / name, contents[name], FILE_MODE)
    except UpkeepError:
        if not existed:
            _remove_run(run)
        raise


def _write_index(directory: Path, runs: list[dict[str, Any]], *, not_after: str) -> None:
    content = json.dumps({"schema": 1, "runs": runs}, indent=1).encode() + b"\n"
    write_atomically(directory / INDEX, content, FILE_MODE)
    write_atomically(directory / "index.html", index_page(runs).encode("utf-8", "replace"), FILE_MODE)
    sound = [run for run in runs if not run.get("damaged") and run["ended"] <= not_after]
    if not sound:
        return
    # Real files and not links: they can be copied, served and mailed.
    newest = directory / RUNS / max(sound, key=newest_key)["run_id"]
    for name, latest in _LATEST.items():
        try:
            content = read_file(newest / name)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else str(exc)
            raise UpkeepError(f"cannot read {newest / name}: {reason}") from exc
        if name == PAGE:
            # The page of a run links upwards. Text of targets cannot hold this: its quotes are escaped.
            content = content.replace(b'href="../../', b'href="')
        write_atomically(directory / latest, content, FILE_MODE)


def _write_metrics(directory: Path, path: Path, record: Mapping[str, Any], beats: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the metrics of the newest whole run of each playbook of the platform, which the heartbeats name."""
    records = [record]
    for playbook, beat in beats.items():
        if playbook == record["playbook"]:
            continue
        try:
            records.append(read_record(directory, beat["run_id"]))
        except (OSError, ValueError):
            continue  # its run is gone or damaged, which is reported elsewhere
    write_atomically(path, exposition(records).encode("utf-8", "replace"), METRICS_MODE)


def _remove_run(run: Path) -> None:
    """Remove the files of ours in the directory of a run; anything else in it stays, and then so does the directory."""
    names = [RECORD, PAGE, MARKDOWN]  # the record first: without it this is no run any more
    try:
        names += [name for name in os.listdir(run) if name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)]
        for name in names:
            try:
                os.unlink(run / name)
            except FileNotFoundError:
                continue
        os.rmdir(run)
    except OSError:
        pass  # the next run tries again
