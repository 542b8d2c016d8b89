# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a group remembers from run to run: places in files and the journal, signatures, rates, and which ignores were used.

All of it is one file that is replaced as a whole, so that a killed run has counted nothing and the next one counts it once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import read_whole, write_atomically
from ansible_collections.upkeep.runbook.plugins.module_utils.heartbeats import slug
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.counting import Seen
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.records import Record

DIRECTORY = "log-scan"
SCHEMA = 1
MAX_SIGNATURES = 5000
MAX_RECORDS = 4000
_MAX_BYTES = 32 * 1024 * 1024
#: As seconds since the epoch it is the year 5138.
_MAX_NUMBER = 1e11


class Known(NamedTuple):
    """A signature that was met before: its lines in all, and the first and last run that met it (seconds since the epoch)."""

    lines: int
    first: float
    last: float


class Point(NamedTuple):
    """The errors per minute of one run, and when it was (seconds since the epoch)."""

    at: float
    per_minute: float


@dataclass(frozen=True)
class Memory:
    """What the last run left.

    :ivar written: when, seconds since the epoch; None when there was none.
    :ivar clock: the boot of the host and its seconds since boot then, which no change of the clock touches.
    :ivar ignores: when each ignore was first met, and when it fitted a line last, by its subject.
    """

    written: float | None = None
    clock: tuple[str, float] = ("", 0.0)
    logs: frozenset[str] = frozenset()
    records: tuple[Record, ...] = ()
    journal: str = ""
    signatures: Mapping[str, Known] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    ignores: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def memory_path(state_directory: Path, group: str) -> Path:
    """Return the file of a group."""
    return state_directory / DIRECTORY / f"{slug(group)}.json"


def load_memory(path: Path) -> Memory:
    """Return what is remembered; an empty memory when there is no file.

    :raises UpkeepError: when it cannot be read.
    :raises ValueError: when it is damaged.
    """
    data = read_whole(path, _MAX_BYTES)
    if data is None:
        return Memory()
    if len(data) > _MAX_BYTES:
        raise ValueError("it is too large")
    try:
        return _read(json.loads(data))
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as exc:
        raise ValueError(f"it has another form ({type(exc).__name__})") from None


def save_memory(path: Path, memory: Memory) -> None:
    """Replace what is remembered; the folder is there.

    :raises UpkeepError: when it cannot be written; what was there before is then untouched.
    """
    document = {
        "schema": SCHEMA, "written": memory.written, "clock": list(memory.clock), "logs": sorted(memory.logs),
        "records": [record.to_json() for record in memory.records], "journal": memory.journal,
        "signatures": {fingerprint: list(known) for fingerprint, known in memory.signatures.items()},
        "points": [list(point) for point in memory.points],
        "ignores": {subject: list(times) for subject, times in memory.ignores.items()},
    }  # fmt: skip
    write_atomically(path, json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n")


def merged_signatures(known: Mapping[str, Known], seen: Mapping[str, Seen], now: float) -> dict[str, Known]:
    """Return the signatures with those of this run; beyond MAX_SIGNATURES those met longest ago are forgotten."""
    result = dict(known)
    for fingerprint, row in seen.items():
        before = result.get(fingerprint)
        result[fingerprint] = Known((before.lines if before else 0) + row.count, before.first if before else now, now)
    if len(result) <= MAX_SIGNATURES:
        return result
    newest = sorted(result.items(), key=lambda item: (item[1].last, item[1].lines), reverse=True)
    return dict(newest[:MAX_SIGNATURES])


def _read(document: Any) -> Memory:
    """Return the memory.

    :raises ValueError: when anything is not as it was written.
    """
    if document["schema"] != SCHEMA:
        raise ValueError(f"it is no memory of schema {SCHEMA}")
    boot, uptime = document["clock"]
    return Memory(
        _finite(document["written"]),
        (str(boot), _finite(uptime)),
        frozenset(str(log) for log in document["logs"]),
        tuple(Record.from_json(stored) for stored in document["records"]),
        str(document["journal"]),
        {
            str(key): Known(int(count), _finite(first), _finite(last))
            for key, (count, first, last) in document["signatures"].items()
        },
        tuple(Point(_finite(at), _finite(rate)) for at, rate in document["points"]),
        {str(subject): (_finite(first), _finite(used)) for subject, (first, used) in document["ignores"].items()},
    )


def _finite(value: Any) -> float:
    """Return a number of seconds or a rate; JSON of others may hold numbers that are none, and moments beyond all calendars."""
    number = float(value)
    if not 0 <= number < _MAX_NUMBER:
        raise ValueError("a number in it is out of range")
    return number
